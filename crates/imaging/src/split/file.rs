//! A split on disk: TOML with digests of the dataset and of itself.

use std::collections::BTreeSet;
use std::path::Path;

use porecast_base::{Error, Result, atomic, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Member, Split};

/// The file format of a split.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitFile {
    /// Digest of the samples' identifiers and groups.
    dataset: String,
    /// Digest of the parts.
    split: String,
    parts: Split,
}

impl Split {
    /// Writes the split as TOML, atomically, with digests of the split and of the dataset.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path, members: &[Member]) -> Result<()> {
        let file = SplitFile { dataset: digest_of(members), split: self.digest(), parts: self.clone() };
        let text = toml::to_string(&file).map_err(|e| Error::output(path, e))?;
        atomic::write(path, text.as_bytes())
    }

    /// Reads a split and checks that it belongs to the dataset with these members.
    ///
    /// # Errors
    /// If the file is missing or damaged, was edited by hand, or was written for other samples or groups. The
    /// error names the first difference.
    pub fn read(path: &Path, members: &[Member]) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
        let file: SplitFile =
            toml::from_str(&text).map_err(|e| Error::input(path, format!("is not a split: {e}")))?;
        if file.split != file.parts.digest() {
            let what = "was edited (its digest does not match); write the split again";
            return Err(Error::input(path, what));
        }
        let listed: BTreeSet<&str> = file.parts.all().collect();
        let present: BTreeSet<&str> = members.iter().map(|member| member.id.as_str()).collect();
        let named = |ids: Vec<&&str>| {
            let first = ids.iter().take(3).map(|id| **id).collect::<Vec<_>>().join(", ");
            format!("{} ({first}{})", ids.len(), if ids.len() > 3 { ", ..." } else { "" })
        };
        let (new, gone): (Vec<_>, Vec<_>) =
            (present.difference(&listed).collect(), listed.difference(&present).collect());
        if !new.is_empty() || !gone.is_empty() {
            let what = format!(
                "was written for another dataset: {} samples are new, {} are gone; split the dataset again",
                named(new),
                named(gone)
            );
            return Err(Error::input(path, what));
        }
        if file.dataset != digest_of(members) {
            let what = "was written when the samples belonged to other groups; split the dataset again";
            return Err(Error::input(path, what));
        }
        Ok(file.parts)
    }

    /// SHA-256 of the parts: two runs with the same digest used the same split.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |name: &str, ids: &[String]| {
            feed(&mut hash, name);
            ids.iter().for_each(|id| feed(&mut hash, id));
            // A marker between parts: no identifier has this length, so different parts cannot give the same
            // bytes.
            hash.update(u64::MAX.to_le_bytes());
        };
        part("train", &self.train);
        part("test", &self.test);
        self.folds.iter().for_each(|ids| part("fold", ids));
        hex(&hash.finalize())
    }
}

/// SHA-256 of identifiers and groups, independent of their order.
fn digest_of(members: &[Member]) -> String {
    let sorted: BTreeSet<(&str, &str)> = members.iter().map(|m| (m.id.as_str(), m.group.as_str())).collect();
    let mut hash = Sha256::new();
    for (id, group) in sorted {
        feed(&mut hash, id);
        feed(&mut hash, group);
    }
    hex(&hash.finalize())
}

/// Hashes a text after its length, so that different sequences of texts cannot give the same bytes.
fn feed(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::Method;
    use super::super::tests::{members, split};
    use super::*;

    #[test]
    fn a_file_gives_the_split_back_and_refuses_a_changed_dataset() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.toml");
        let members = members(&[2, 1, 2, 1, 1, 3]);
        let split = split(&members, Method::Folds { count: 3, test: 0.2 }, 2, 5).unwrap();
        split.write(&path, &members).unwrap();
        assert_eq!(Split::read(&path, &members).unwrap(), split);
        let refused = |members: &[Member], wanted: &str| {
            let error = Split::read(&path, members).unwrap_err().to_string();
            assert!(error.contains("split.toml") && error.contains(wanted), "{error}");
        };
        refused(&members[1..], "1 (0-0) are gone");
        let mut more = members.clone();
        more.push(Member { id: "new".into(), group: "g0".into(), target_ratio: None });
        refused(&more, "1 (new) samples are new");
        let mut regrouped = members.clone();
        regrouped[0].group = "g5".into();
        refused(&regrouped, "other groups");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen("\"0-0\"", "\"0-x\"", 1)).unwrap();
        refused(&members, "was edited");
        std::fs::write(&path, "parts = 3").unwrap();
        refused(&members, "is not a split");
    }
}
