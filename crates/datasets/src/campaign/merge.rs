//! Merges the finished domains of a campaign into one dataset and writes its card.

use std::path::Path;

use porecast_base::{Error, Result, atomic};
use porecast_store::card;
use porecast_store::invasion::{self, InvasionDataset};

use super::Campaign;

/// Largest number of failed domains listed in the card.
const MAX_REASONS: usize = 20;

impl Campaign {
    /// Replaces `target` by a dataset of all domains that are stored in `source` or finished, in the order of the
    /// campaign.
    pub(super) fn merge(
        &self,
        source: &Path,
        target: &Path,
        asked: usize,
        failures: &[(usize, Error)],
    ) -> Result<()> {
        let dataset = InvasionDataset::open(source)?;
        let mut order: Vec<usize> = (0..dataset.len()).collect();
        order.sort_by_key(|&row| &dataset.domain_ids()[row]);
        let sequences = order.into_iter().map(|row| {
            let id = dataset.domain_ids()[row].clone();
            dataset.recorded(row).map(|sequence| (id, sequence))
        });
        atomic::write_together(target, |path| {
            invasion::write(path, &self.origin, sequences)?;
            card::write(&InvasionDataset::open(path)?, &self.failures_text(asked, failures))
        })
    }

    /// The section of the card about failed domains; `asked` is the number of domains requested.
    fn failures_text(&self, asked: usize, failures: &[(usize, Error)]) -> String {
        if failures.is_empty() {
            return format!("None of the {asked} domains failed.");
        }
        let mut text = format!(
            "## Domains that failed\n\n{} of {asked} domains ({:.1} %) could not be simulated and are not in the \
             dataset.\n\n| domain | reason |\n|---|---|\n",
            failures.len(),
            100.0 * failures.len() as f64 / asked as f64
        );
        for (index, reason) in failures.iter().take(MAX_REASONS) {
            text.push_str(&format!("| {} | {reason} |\n", self.id(*index)));
        }
        if failures.len() > MAX_REASONS {
            text.push_str(&format!("| {} more | |\n", failures.len() - MAX_REASONS));
        }
        text
    }
}
