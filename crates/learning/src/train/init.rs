//! The weights of another run to start from.

use std::path::{Path, PathBuf};

use porecast_base::{Error, Result};
use porecast_store::RunFolder;
use porecast_store::run::{InitCard, MemberCard, TrainedOn};
use toml::{Table, Value};

/// Keys of a configuration that decide which weights a network has.
const SHAPING: [&str; 6] = ["model", "inputs", "head", "conditioning", "physics", "classes"];

/// A run whose weights a training begins with.
pub(super) struct Init {
    run: RunFolder,
    name: String,
    members: Vec<MemberCard>,
}

impl Init {
    /// Opens a run folder.
    ///
    /// # Errors
    /// The folder is not a run.
    pub(super) fn open(run: &Path) -> Result<Self> {
        let run = RunFolder::new(run);
        let (name, _) = run.origin()?;
        Ok(Self { name, members: run.members()?, run })
    }

    /// What the card of the new run says.
    pub(super) fn card(&self) -> InitCard {
        InitCard { run: self.run.path().to_owned(), name: self.name.clone() }
    }

    /// The dataset that the run was trained on.
    ///
    /// # Errors
    /// The run is of another task.
    pub(super) fn dataset<D: TrainedOn>(&self) -> Result<D> {
        Ok(self.run.card_of::<D>()?.dataset)
    }

    /// The best weights for a member: those of the member with the same folder, or of the only one.
    ///
    /// # Errors
    /// The run has several members, none of them in a folder of this name.
    pub(super) fn weights(&self, folder: &Path) -> Result<PathBuf> {
        let same = self.members.iter().find(|member| member.folder == folder);
        let found = same.or(match self.members.as_slice() {
            [only] => Some(only),
            _ => None,
        });
        let found = found.ok_or_else(|| {
            let folders: Vec<String> =
                self.members.iter().map(|member| member.folder.display().to_string()).collect();
            let what = format!(
                "has no network for {}, only for {}; pass a run with one network, or with the same networks",
                folder.display(),
                folders.join(", ")
            );
            Error::mismatch(self.run.path(), what)
        })?;
        Ok(self.run.member(&found.folder).best_path())
    }

    /// Extends an error about weights that do not fit by the keys in which the configuration `resolved` differs from that of
    /// the run.
    pub(super) fn explained(&self, error: Error, resolved: &str) -> Error {
        let differing = differing(&self.run.config_text(), resolved);
        if differing.is_empty() {
            return error;
        }
        let what = format!(
            "{}. Against the run, this training has {}; make them equal to start from its weights",
            error.what(),
            differing.join(", ")
        );
        Error::new(error.kind(), error.place(), what)
    }
}

/// The keys below [`SHAPING`] whose values differ, as `key = now (was before)`.
fn differing(before: &str, now: &str) -> Vec<String> {
    let [Ok(before), Ok(now)] = [before, now].map(str::parse::<Table>) else { return Vec::new() };
    let mut found = Vec::new();
    for key in SHAPING {
        compare(key, before.get(key), now.get(key), &mut found);
    }
    found
}

fn compare(path: &str, before: Option<&Value>, now: Option<&Value>, found: &mut Vec<String>) {
    match (before, now) {
        (Some(Value::Table(before)), Some(Value::Table(now))) => {
            let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                compare(&format!("{path}.{key}"), before.get(key), now.get(key), found);
            }
        }
        _ if before == now => {}
        _ => {
            let word = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
            found.push(format!("{path} = {} (there {})", word(now), word(before)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_shape_a_network_and_differ_are_named() {
        let before = "name = 'a'\ninputs = ['pore']\n[model.unet]\nbase_channels = 8\nlevels = 3";
        let now = "name = 'b'\ninputs = ['pore']\n[model.unet]\nbase_channels = 16\nlevels = 3";
        assert_eq!(differing(before, now), ["model.unet.base_channels = 16 (there 8)"]);
        assert_eq!(differing(before, before), [] as [&str; 0]);
    }
}
