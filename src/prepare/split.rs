//! The split of a segmentation dataset.

use porecast_imaging::split::{Member, Split, SplitConfig};

use crate::error::{Error, Result};
use crate::store::SegmentationDataset;

/// The split of a dataset.
///
/// # Errors
/// See [`Split::new`].
pub fn split_of(dataset: &SegmentationDataset, config: &SplitConfig) -> Result<Split> {
    let members = (0..dataset.ids().len())
        .map(|index| Ok(Member::from(&dataset.sample(index)?)))
        .collect::<Result<Vec<_>>>()?;
    Split::new(&members, config, dataset.path()).map_err(|e| Error::input(dataset.path(), e.to_string()))
}
