//! The split of domains into training, validation and test.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::train::SplitConfig;
use crate::config::{self, Problem, Validate};
use crate::run::SplitLists;
use porecast_base::{Error, Result, seed};

/// Splits the domains of a dataset by shares or by a file. The lists keep the order of `ids`.
///
/// # Errors
/// The file cannot be read, names a domain twice, or names one that `dataset` does not have.
pub fn split(ids: &[String], config: &SplitConfig, dataset: &Path) -> Result<SplitLists> {
    match &config.file {
        None => Ok(ranked(ids, config)),
        Some(file) => named(ids, file, dataset),
    }
}

/// The lists of a split file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitFile {
    /// Domains to train on; every domain that is in no other list when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    train: Option<Vec<String>>,
    validation: Vec<String>,
    test: Vec<String>,
}

impl SplitFile {
    fn parts(&self) -> [(&'static str, &[String]); 3] {
        [
            ("train", self.train.as_deref().unwrap_or_default()),
            ("validation", &self.validation),
            ("test", &self.test),
        ]
    }
}

/// The split that a file lists.
fn named(ids: &[String], file: &Path, dataset: &Path) -> Result<SplitLists> {
    let lists: SplitFile = config::load(file, &[])?;
    let there: HashSet<&String> = ids.iter().collect();
    let absent: Vec<&str> = lists
        .parts()
        .into_iter()
        .flat_map(|(_, ids)| ids)
        .filter(|id| !there.contains(id))
        .map(|id| id.as_str())
        .collect();
    if let Some(first) = absent.first() {
        let count = absent.len();
        let what = format!(
            "names {count} domains that {} does not have, the first is {first:?}; it belongs to another dataset",
            dataset.display()
        );
        return Err(Error::input(file, what));
    }
    let ordered = |list: &[String]| {
        let list: HashSet<&String> = list.iter().collect();
        ids.iter().filter(|id| list.contains(id)).cloned().collect()
    };
    let train = match &lists.train {
        Some(train) => ordered(train),
        None => {
            let held_out: HashSet<&String> = lists.validation.iter().chain(&lists.test).collect();
            ids.iter().filter(|id| !held_out.contains(id)).cloned().collect()
        }
    };
    Ok(SplitLists { train, validation: ordered(&lists.validation), test: ordered(&lists.test) })
}

impl Validate for SplitFile {
    fn problems(&self) -> Vec<Problem> {
        let mut seen = HashSet::new();
        let ids = self.parts().into_iter().flat_map(|(part, ids)| ids.iter().map(move |id| (part, id)));
        ids.filter(|(_, id)| !seen.insert(*id))
            .map(|(part, id)| Problem::new(part, format!("{id:?} is in the lists twice")))
            .collect()
    }
}

/// The split by shares: ranks identifiers by a hash of identifier and seed, then cuts by the
/// shares.
///
/// With three or more domains, each share above zero gets at least one.
fn ranked(ids: &[String], config: &SplitConfig) -> SplitLists {
    let mut ranked: Vec<usize> = (0..ids.len()).collect();
    ranked.sort_by_cached_key(|&i| seed::rank(config.seed, &ids[i]));
    let count = |share: f64| {
        let least = usize::from(share > 0.0 && ids.len() >= 3);
        ((ids.len() as f64 * share).round() as usize).max(least)
    };
    // Rounding must leave a domain to train on.
    let validation = count(config.validation).min(ids.len().saturating_sub(2));
    let test = count(config.test).min(ids.len().saturating_sub(1 + validation));
    let pick = |range: &[usize]| {
        let mut range = range.to_vec();
        range.sort_unstable();
        range.into_iter().map(|i| ids[i].clone()).collect::<Vec<_>>()
    };
    let (held, train) = ranked.split_at(validation + test);
    let (validation, test) = held.split_at(validation);
    SplitLists { train: pick(train), validation: pick(validation), test: pick(test) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_domain_has_one_use(n in 3usize..200, seed in any::<u64>(), share in 0.05f64..0.499) {
            let ids: Vec<String> = (0..n).map(|i| format!("domain-{i}")).collect();
            let lists = ranked(&ids, &SplitConfig { validation: share, test: share, seed, file: None });
            let mut all: Vec<_> = lists.parts().iter().flat_map(|(_, ids)| ids.to_vec()).collect();
            all.sort_by_key(|id| ids.iter().position(|i| i == id));
            prop_assert_eq!(all, ids);
            prop_assert!(!lists.train.is_empty() && !lists.validation.is_empty() && !lists.test.is_empty());
        }
    }

    #[test]
    fn without_a_list_of_training_domains_the_rest_is_trained_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("split.toml");
        std::fs::write(&file, "validation = ['b']\ntest = ['d']").unwrap();
        let ids = ["a", "b", "c", "d"].map(String::from);
        let lists = named(&ids, &file, "d.h5".as_ref()).unwrap();
        assert_eq!(
            (lists.train, lists.validation.len(), lists.test.len()),
            (vec!["a".into(), "c".into()], 1, 1)
        );
    }

    #[test]
    fn the_order_of_the_dataset_does_not_matter() {
        let ids: Vec<String> = (0..40).map(|i| format!("domain-{i}")).collect();
        let mut reversed = ids.clone();
        reversed.reverse();
        let (a, mut b) = (ranked(&ids, &SplitConfig::default()), ranked(&reversed, &SplitConfig::default()));
        b.test.reverse();
        assert_eq!(a.test, b.test);
    }

    #[test]
    fn a_file_names_the_domains_of_each_part() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("split.toml");
        let ids: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let config = SplitConfig { file: Some(file.clone()), ..SplitConfig::default() };
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            split(&ids, &config, "data.h5".as_ref())
        };
        let lists = read("train = ['d', 'a']\nvalidation = ['c']\ntest = ['b']").unwrap();
        assert_eq!(
            (lists.train, lists.validation, lists.test.len()),
            (vec!["a".into(), "d".into()], vec!["c".into()], 1)
        );
        let refused = |text: &str, wanted: &[&str]| {
            let error = read(text).unwrap_err().to_string();
            assert!(wanted.iter().all(|wanted| error.contains(wanted)), "{error}");
        };
        refused(
            "train = ['a', 'x', 'y']\nvalidation = ['c']\ntest = []",
            &["split.toml", "2 domains", "data.h5", "\"x\""],
        );
        refused(
            "train = ['a', 'c']\nvalidation = ['c']\ntest = ['a']",
            &["2 problems", "validation: \"c\"", "test: \"a\""],
        );
        refused("train = ['a']\nvalidation = ['c']", &["test: is missing"]);
        refused("train = ['a']\nvalidation = ['c']\ntest = []\nspare = []", &["spare: there is no such key"]);
    }

    #[test]
    fn the_split_that_comes_with_a_dataset_names_every_domain_once() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../simulations/datasets/lbm-256x64");
        let dataset = crate::InvasionDataset::open(&folder.join("lbm-256x64.h5")).unwrap();
        let config = SplitConfig { file: Some(folder.join("split.toml")), ..SplitConfig::default() };
        let lists = split(dataset.domain_ids(), &config, dataset.path()).unwrap();
        assert_eq!(lists.parts().iter().map(|(_, ids)| ids.len()).sum::<usize>(), dataset.len());
        assert!(dataset.len() >= 120 && lists.test.len() >= 15 && lists.validation.len() >= 15);
    }
}
