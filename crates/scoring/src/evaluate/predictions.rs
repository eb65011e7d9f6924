//! The predictions of a part.

use std::fmt::Display;

use std::collections::{BTreeSet, HashMap};

use super::plan::{Part, Plan};
use porecast_base::{Error, Result};
use porecast_store::{Dataset, Predictions};

/// The predictions of a part, found by sample.
pub struct PartPredictions<D: Dataset> {
    file: D::Predictions,
    rows: HashMap<String, usize>,
}

impl<D: Dataset> PartPredictions<D> {
    /// Opens the predictions of `part`.
    ///
    /// # Errors
    /// The file cannot be read, or is not of this dataset and this part alone.
    pub(super) fn open(
        plan: &Plan<D>,
        part: &Part,
        mismatch_reason: fn(&D, &D::Predictions) -> Option<String>,
    ) -> Result<Self> {
        let file = D::Predictions::open(&part.predictions)?;
        let rows = file.ids().iter().cloned().zip(0..).collect();
        let predictions = Self { file, rows };
        if let Some(what) = mismatch_reason(&plan.dataset, &predictions.file) {
            return Err(predictions.mismatch(what));
        }
        let wanted: BTreeSet<&String> = part.ids.iter().collect();
        if let Some(id) = predictions.file.ids().iter().find(|id| !wanted.contains(id)) {
            return Err(predictions.mismatch(format!(
                "has a prediction for {id:?}, which is not among the {} {}s of {}; predict the part again, or pass the \
                 dataset that was predicted",
                part.name,
                D::SAMPLE,
                plan.dataset.path().display()
            )));
        }
        Ok(predictions)
    }

    /// The prediction for a sample.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(super) fn of(&self, id: &str) -> Result<<D::Predictions as Predictions>::Prediction> {
        let Some(&row) = self.rows.get(id) else {
            let what = format!("has no prediction for {} {id:?}; predict the whole part again", D::SAMPLE);
            return Err(self.mismatch(what));
        };
        self.file.prediction(row)
    }

    /// The error of predictions that do not belong to the dataset.
    pub(super) fn mismatch(&self, what: impl Display) -> Error {
        Error::mismatch(self.file.path(), what)
    }
}
