//! Splits of a dataset into training, validation and test samples. A group is never divided.

mod file;
mod groups;
mod method;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use porecast_base::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::annotated::AnnotatedImage;
use crate::format::fold_list;
use groups::{counts, deal, ordered_groups, shares};

pub use method::{Method, SplitConfig};

/// Properties of a sample that a split needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Name within the dataset.
    pub id: String,
    /// Group that a split must not divide.
    pub group: String,
    /// Fraction of pixels that are not background, if there is a mask.
    pub target_ratio: Option<f64>,
}

impl From<&AnnotatedImage> for Member {
    fn from(sample: &AnnotatedImage) -> Self {
        Self { id: sample.id.clone(), group: sample.group.clone(), target_ratio: sample.target_ratio() }
    }
}

/// A division of a dataset into parts: identifiers of samples, in the order of the dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Samples that are only used for training, in every fold.
    pub train: Vec<String>,
    /// Samples for the final test.
    pub test: Vec<String>,
    /// Validation samples of each fold; the fold trains on the other folds and `train`.
    pub folds: Vec<Vec<String>>,
}

impl Split {
    /// Divides `members`.
    ///
    /// # Errors
    /// If shares or counts are invalid, an identifier occurs twice, or there are too few groups for the
    /// parts. The error names `path` (the dataset).
    pub fn new(members: &[Member], config: &SplitConfig, path: &Path) -> Result<Self> {
        check(members, config).map_err(|what| Error::input(path, what))?;
        match &config.method {
            Method::Listed { folder } => return Self::listed(members, folder, path),
            Method::TestOnly => return Ok(Self::test_only(members)),
            _ => {}
        }
        let groups = ordered_groups(members, config);
        if groups.len() < 2 {
            let what = format!("has {} groups; a split needs two or more", groups.len());
            return Err(Error::input(path, what));
        }
        let shares = shares(&config.method, groups.len());
        let counts = counts(&shares, groups.len());
        if let Some(part) = (0..shares.len()).find(|&part| shares[part] > 0.0 && counts[part] == 0) {
            let what = format!(
                "has {} groups, too few to give {} its share of {:.3}",
                groups.len(),
                part_name(part),
                shares[part]
            );
            return Err(Error::input(path, what));
        }
        let part_of: BTreeMap<&str, usize> = groups.iter().copied().zip(deal(&counts)).collect();
        let ids_of = |part: usize| -> Vec<String> {
            members.iter().filter(|m| part_of[m.group.as_str()] == part).map(|m| m.id.clone()).collect()
        };
        Ok(Self {
            train: ids_of(TRAIN),
            test: ids_of(TEST),
            folds: (FIRST_FOLD..shares.len()).map(ids_of).collect(),
        })
    }

    fn test_only(members: &[Member]) -> Self {
        let test = members.iter().map(|member| member.id.clone()).collect();
        Self { train: Vec::new(), test, folds: Vec::new() }
    }

    /// The folds given by the lists in `folder`. Test images that are not among `members` are left out,
    /// because lists of contests include images whose masks are not published.
    fn listed(members: &[Member], folder: &Path, path: &Path) -> Result<Self> {
        let named = fold_list::read_split(folder)?;
        let present: BTreeSet<&str> = members.iter().map(|member| member.id.as_str()).collect();
        if let Some(id) = named.folds.iter().flatten().find(|id| !present.contains(id.as_str())) {
            let what = format!("names {id:?}, which {} does not have with a mask", path.display());
            return Err(Error::input(folder, what));
        }
        let parts: Vec<&Vec<String>> = std::iter::once(&named.test).chain(&named.folds).collect();
        let mut part_of = BTreeMap::new();
        for member in members {
            let Some(part) = parts.iter().position(|ids| ids.contains(&member.id)) else {
                return Err(Error::input(path, format!("has {:?}, which no list names", member.id)));
            };
            if *part_of.entry(member.group.as_str()).or_insert(part) != part {
                let what = format!("divide the group {:?} between two parts", member.group);
                return Err(Error::input(folder, what));
            }
        }
        let ids_of = |part: usize| -> Vec<String> {
            members.iter().filter(|m| part_of[m.group.as_str()] == part).map(|m| m.id.clone()).collect()
        };
        Ok(Self { train: Vec::new(), test: ids_of(0), folds: (1..parts.len()).map(ids_of).collect() })
    }

    /// Training samples of fold `fold`.
    ///
    /// # Panics
    /// If there is no such fold.
    pub fn training(&self, fold: usize) -> Vec<String> {
        assert!(fold < self.folds.len(), "there are {} folds, no fold {fold}", self.folds.len());
        let others = self.folds.iter().enumerate().filter(|(i, _)| *i != fold).flat_map(|(_, ids)| ids);
        self.train.iter().chain(others).cloned().collect()
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.train.iter().chain(&self.test).chain(self.folds.iter().flatten()).map(String::as_str)
    }
}

const TRAIN: usize = 0;
const TEST: usize = 1;
const FIRST_FOLD: usize = 2;

fn part_name(part: usize) -> String {
    match part {
        TRAIN => "training".into(),
        TEST => "test".into(),
        fold => format!("fold {}", fold - FIRST_FOLD),
    }
}

fn check(members: &[Member], config: &SplitConfig) -> std::result::Result<(), String> {
    let mut ids = BTreeSet::new();
    if let Some(twice) = members.iter().find(|member| !ids.insert(&member.id)) {
        return Err(format!("has two samples named {:?}", twice.id));
    }
    match config.problems().first() {
        Some(problem) => Err(format!("cannot be split with {problem}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `sizes[g]` samples for each group g; the target ratio increases with the group.
    pub(super) fn members(sizes: &[usize]) -> Vec<Member> {
        let mut members = Vec::new();
        for (group, &size) in sizes.iter().enumerate() {
            for i in 0..size {
                let target_ratio = Some(group as f64 / sizes.len() as f64);
                members.push(Member { id: format!("{group}-{i}"), group: format!("g{group}"), target_ratio });
            }
        }
        members
    }

    pub(super) fn split(members: &[Member], method: Method, bins: usize, seed: u64) -> Result<Split> {
        Split::new(members, &SplitConfig { method, bins, seed }, Path::new("data"))
    }

    fn groups_of(ids: &[String]) -> BTreeSet<&str> {
        ids.iter().map(|id| id.split('-').next().unwrap()).collect()
    }

    fn any_method() -> impl Strategy<Value = Method> {
        prop_oneof![
            (0.05..0.45_f64, 0.0..0.45_f64)
                .prop_map(|(validation, test)| Method::HoldOut { validation, test }),
            (2usize..8, 0.0..0.4_f64).prop_map(|(count, test)| Method::Folds { count, test }),
            Just(Method::LeaveOneGroupOut),
        ]
    }

    proptest! {
        #[test]
        fn no_group_is_divided_and_no_sample_lost(
            sizes in proptest::collection::vec(1usize..6, 12..40),
            method in any_method(), bins in 1usize..9, seed in any::<u64>(),
        ) {
            let members = members(&sizes);
            let split = split(&members, method, bins, seed).unwrap();
            let mut parts = vec![&split.train, &split.test];
            parts.extend(&split.folds);
            for (i, a) in parts.iter().enumerate() {
                for b in &parts[i + 1..] {
                    prop_assert!(groups_of(a).is_disjoint(&groups_of(b)));
                }
            }
            let mut all: Vec<&str> = split.all().collect();
            all.sort_unstable();
            let mut wanted: Vec<&str> = members.iter().map(|m| m.id.as_str()).collect();
            wanted.sort_unstable();
            prop_assert_eq!(all, wanted);
            for fold in 0..split.folds.len() {
                let training = split.training(fold);
                prop_assert!(!training.is_empty() && !split.folds[fold].is_empty());
                prop_assert!(groups_of(&training).is_disjoint(&groups_of(&split.folds[fold])));
                prop_assert!(groups_of(&training).is_disjoint(&groups_of(&split.test)));
            }
        }

        #[test]
        fn every_bin_is_divided_by_the_shares(
            groups in 40usize..200, count in 2usize..6, test in 0.0..0.3_f64, seed in any::<u64>(),
        ) {
            let members = members(&vec![1; groups]);
            let split = split(&members, Method::Folds { count, test }, 7, seed).unwrap();
            let mut bins = [0_f64; 7];
            (0..groups).for_each(|g| bins[g * 7 / groups] += 1.0);
            let share_of_fold = (1.0 - test) / count as f64;
            for (ids, share) in split.folds.iter().map(|ids| (ids, share_of_fold)).chain([(&split.test, test)]) {
                for (bin, size) in bins.iter().enumerate() {
                    let is_in = |id: &&String| id.split('-').next().unwrap().parse::<usize>().unwrap() * 7 / groups == bin;
                    let found = ids.iter().filter(is_in).count() as f64;
                    prop_assert!((found - share * size).abs() < 2.5, "{} of {} at {}", found, size, share);
                }
            }
        }

        #[test]
        fn the_order_of_the_samples_does_not_matter(method in any_method(), seed in any::<u64>()) {
            let forward = members(&[1, 3, 2, 1, 1, 4, 2, 1, 1, 2, 1, 1, 2, 1]);
            let mut backward = forward.clone();
            backward.reverse();
            let (a, b) = (split(&forward, method.clone(), 3, seed).unwrap(), split(&backward, method, 3, seed).unwrap());
            let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
            prop_assert_eq!(set(&a.train), set(&b.train));
            prop_assert_eq!(set(&a.test), set(&b.test));
            for (a, b) in a.folds.iter().zip(&b.folds) {
                prop_assert_eq!(set(a), set(b));
            }
        }
    }

    #[test]
    fn the_shares_of_the_histology_study_come_out_to_the_image() {
        // 69.90, 17.47 and 12.63 % of 1053.
        let members = members(&[1; 1053]);
        let method = Method::HoldOut { validation: 0.1747, test: 0.1263 };
        let split = split(&members, method, 7, 1).unwrap();
        assert_eq!((split.train.len(), split.folds[0].len(), split.test.len()), (736, 184, 133));
    }

    #[test]
    fn leaving_one_group_out_validates_each_group_once() {
        let members = members(&[3, 1, 2]);
        let split = split(&members, Method::LeaveOneGroupOut, 1, 0).unwrap();
        assert_eq!(split.folds.len(), 3);
        assert!(split.folds.iter().all(|ids| groups_of(ids).len() == 1));
        assert!(split.train.is_empty() && split.test.is_empty());
        assert_eq!(split.training(0).len() + split.folds[0].len(), 6);
    }

    #[test]
    fn one_group_is_enough_to_test_on() {
        let split = split(&members(&[3]), Method::TestOnly, 1, 0).unwrap();
        assert_eq!((split.train.len(), split.test.len(), split.folds.len()), (0, 3, 0));
    }

    #[test]
    fn another_seed_gives_another_split_and_the_same_seed_the_same() {
        let members = members(&[1; 60]);
        let method = Method::HoldOut { validation: 0.2, test: 0.2 };
        let with = |seed| split(&members, method.clone(), 7, seed).unwrap();
        assert_eq!(with(3), with(3));
        assert_ne!(with(3), with(4));
        assert_ne!(with(3).digest(), with(4).digest());
    }

    #[test]
    fn impossible_splits_are_refused_with_the_dataset_named() {
        let refused = |sizes: &[usize], method: Method, bins: usize, wanted: &str| {
            let error = split(&members(sizes), method, bins, 0).unwrap_err().to_string();
            assert!(error.starts_with("data: ") && error.contains(wanted), "{error}");
        };
        refused(
            &[1; 9],
            Method::HoldOut { validation: 0.6, test: 0.5 },
            1,
            "less than 1, so that training images remain",
        );
        refused(
            &[1; 9],
            Method::HoldOut { validation: 0.0, test: 0.5 },
            1,
            "method.hold-out.validation: 0 is outside (0, 1)",
        );
        refused(
            &[1; 9],
            Method::Folds { count: 1, test: 0.0 },
            1,
            "method.folds.count: 1 is outside 2, 3, ...",
        );
        refused(&[5, 5], Method::Folds { count: 3, test: 0.0 }, 1, "has 2 groups, too few");
        refused(&[1; 9], Method::LeaveOneGroupOut, 0, "bins: 0 is outside");
        refused(&[5], Method::LeaveOneGroupOut, 1, "has 1 groups; a split needs two or more");
        refused(
            &[1; 2],
            Method::HoldOut { validation: 0.4, test: 0.4 },
            1,
            "too few to give training its share",
        );
        let twice = [members(&[1]), members(&[1])].concat();
        let error = split(&twice, Method::LeaveOneGroupOut, 1, 0).unwrap_err().to_string();
        assert!(error.contains("two samples named \"0-0\""), "{error}");
    }

    #[test]
    fn published_lists_decide_and_must_fit_the_dataset() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, ids: &[&str]| {
            let images: Vec<_> = ids.iter().map(|id| serde_json::json!({ "filename": id })).collect();
            std::fs::write(folder.path().join(name), serde_json::to_string(&images).unwrap()).unwrap();
        };
        write("Fold0_valid.json", &["1-0", "0-0"]);
        write("Fold1_valid.json", &["2-0"]);
        write("Fold0_train.json", &["2-0"]);
        write("Fold1_train.json", &["0-0", "1-0"]);
        write("Test.json", &["3-0", "Public_0"]);
        let listed =
            |members: &[Member]| split(members, Method::Listed { folder: folder.path().to_owned() }, 1, 0);
        let found = listed(&members(&[1; 4])).unwrap();
        assert_eq!((found.train.len(), found.test.clone()), (0, vec!["3-0".to_owned()]));
        assert_eq!(found.folds, [vec!["0-0".to_owned(), "1-0".to_owned()], vec!["2-0".to_owned()]]);
        let refused = |members: &[Member], wanted: &str| {
            let error = listed(members).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        };
        refused(&members(&[1; 5]), "data: has \"4-0\", which no list names");
        refused(&members(&[1; 2]), "names \"2-0\", which data does not have with a mask");
        let mut leaking = members(&[1; 4]);
        leaking[2].group = "g0".into();
        refused(&leaking, "divide the group \"g0\" between two parts");
    }
}
