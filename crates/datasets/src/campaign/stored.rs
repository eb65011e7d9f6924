//! Finds the domains of a campaign that are already stored.

use std::collections::HashSet;
use std::path::Path;

use porecast_base::{Error, ErrorKind, Result};
use porecast_store::config::parse;
use porecast_store::config::simulate::SimulateConfig;
use porecast_store::invasion::InvasionDataset;

use super::Campaign;
use super::parts::Parts;

impl Campaign {
    /// Identifiers of the domains in the dataset and its parts. Refuses a dataset of another campaign.
    pub(super) fn stored_ids(&self, target: &Path, parts: &Parts) -> Result<HashSet<String>> {
        parts.remove_unreadable()?;
        if !target.exists() && !parts.has_domains() {
            return Ok(HashSet::new());
        }
        let refuse = |what: String| {
            Error::new(
                ErrorKind::Exists,
                target.display().to_string(),
                format!("{what}; choose another output or pass --force to replace it"),
            )
        };
        let dataset =
            InvasionDataset::open(target).map_err(|e| refuse(format!("exists already, but {e}")))?;
        for origin in dataset.origins() {
            let stored: SimulateConfig = parse("", &origin.campaign, &[])
                .map_err(|_| refuse("exists and was not written by `porecast simulate`".to_owned()))?;
            if stored.identity() != self.config.identity() {
                let key = first_difference(&stored, &self.config).unwrap_or_default();
                return Err(refuse(format!("holds another campaign ({key} differs)")));
            }
        }
        Ok(dataset.domain_ids().iter().cloned().collect())
    }

    /// Number of domains of a finished dataset of this campaign that now gets more.
    pub(super) fn extended_from(&self, dataset: &Path) -> Option<usize> {
        let dataset = InvasionDataset::open(dataset).ok().filter(|_| dataset.exists())?;
        let stored: SimulateConfig = parse("", &dataset.origin().campaign, &[]).ok()?;
        (stored.domains < self.config.domains).then_some(stored.domains)
    }
}

/// The first key in which two campaigns differ.
fn first_difference(a: &SimulateConfig, b: &SimulateConfig) -> Option<String> {
    let (a, b) = (toml::Table::try_from(a.identity()).ok()?, toml::Table::try_from(b.identity()).ok()?);
    a.keys().chain(b.keys()).find(|key| a.get(*key) != b.get(*key)).cloned()
}
