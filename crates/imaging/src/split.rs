//! Which samples are trained on, validated on and tested on; never divides a group.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::annotated::AnnotatedImage;
use crate::format::fold_list;
use porecast_base::atomic;
use porecast_base::{Checks, Problem};
use porecast_base::{Error, Result};

/// What a split needs to know of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Name within the dataset.
    pub id: String,
    /// What must stay on one side.
    pub group: String,
    /// Share of the pixels that are not background, where there is a mask.
    pub target_ratio: Option<f64>,
}

impl From<&AnnotatedImage> for Member {
    fn from(sample: &AnnotatedImage) -> Self {
        Self { id: sample.id.clone(), group: sample.group.clone(), target_ratio: sample.target_ratio() }
    }
}

/// How samples are divided. Shares and folds count groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Method {
    /// One part to validate on, one to test on, the rest to train on.
    HoldOut {
        /// Share to validate on, above 0.
        validation: f64,
        /// Share to test on; 0 for none.
        test: f64,
    },
    /// One part to test on; the rest in equal folds, each validated on in turn.
    Folds {
        /// Number of folds, two or more.
        count: usize,
        /// Share to test on; 0 for none.
        test: f64,
    },
    /// As many folds as groups: each group is validated on in turn.
    LeaveOneGroupOut,
    /// The folds that published lists name, as [`fold_list`] reads them; bins and seed do not matter.
    Listed {
        /// Folder of the lists, relative to the working directory.
        folder: PathBuf,
    },
    /// Everything is tested on, nothing trained on: a dataset for runs that were trained on another.
    TestOnly,
}

/// How to split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// How samples are divided.
    pub method: Method,
    /// Groups are sorted by their mean target ratio and cut into this many bins of equal count; each part takes from
    /// each bin its share. 1: no stratification.
    #[serde(default = "one")]
    pub bins: usize,
    /// Decides among the groups of a bin.
    #[serde(default)]
    pub seed: u64,
}

fn one() -> usize {
    1
}

impl SplitConfig {
    /// Every value that is outside its range.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.need(self.bins > 0, "bins", self.bins, "1, 2, ...; 1 means no stratification");
        let is_share = |share: f64| (0.0..1.0).contains(&share);
        match self.method {
            Method::HoldOut { validation, test } => {
                let is_validated = is_share(validation) && validation > 0.0;
                checks.need(is_validated, "method.hold-out.validation", validation, "(0, 1)");
                checks.need(is_share(test), "method.hold-out.test", test, "[0, 1)");
                checks.need(
                    !is_validated || !is_share(test) || validation + test < 1.0,
                    "method.hold-out",
                    format!("validation + test = {}", validation + test),
                    "[0, 1): nothing is left to train on",
                );
            }
            Method::Folds { count, test } => {
                checks.need(count >= 2, "method.folds.count", count, "2, 3, ...");
                checks.need(is_share(test), "method.folds.test", test, "[0, 1)");
            }
            Method::LeaveOneGroupOut | Method::Listed { .. } | Method::TestOnly => {}
        }
        checks.0
    }
}

/// A division of a dataset into parts, by the samples' identifiers, in the dataset's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// What is neither tested on nor validated on in any fold.
    pub train: Vec<String>,
    /// What is seen once, at the very end.
    pub test: Vec<String>,
    /// What is validated on in each fold; the other folds and `train` are what it is trained on.
    pub folds: Vec<Vec<String>>,
}

impl Split {
    /// Divides `members`.
    ///
    /// # Errors
    /// Shares or counts that make no sense, an identifier that comes twice, or too few groups for the parts; `path`
    /// (the dataset) is named.
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

    /// The folds that lists in `folder` name. Test images that are not among `members` are left out, since lists of
    /// contests name some whose masks were kept back.
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

    /// What fold `fold` is trained on.
    ///
    /// # Panics
    /// When there is no such fold.
    pub fn training(&self, fold: usize) -> Vec<String> {
        assert!(fold < self.folds.len(), "there are {} folds, no fold {fold}", self.folds.len());
        let others = self.folds.iter().enumerate().filter(|(i, _)| *i != fold).flat_map(|(_, ids)| ids);
        self.train.iter().chain(others).cloned().collect()
    }

    /// Writes the split as TOML with digests of itself and of the dataset, atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path, members: &[Member]) -> Result<()> {
        let file = SplitFile { dataset: digest_of(members), split: self.digest(), parts: self.clone() };
        let text = toml::to_string(&file).map_err(|e| Error::output(path, e))?;
        atomic::write(path, text.as_bytes())
    }

    /// Reads a split that was written for the dataset with these members.
    ///
    /// # Errors
    /// The file is missing or damaged, was changed by hand, or was written for other samples or groups; the error
    /// names the first that differ.
    pub fn read(path: &Path, members: &[Member]) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
        let file: SplitFile =
            toml::from_str(&text).map_err(|e| Error::input(path, format!("is not a split: {e}")))?;
        if file.split != file.parts.digest() {
            let what = "was changed after it was written; write it anew, so that runs with the same digest had the \
                        same split";
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
                "was written for another dataset: {} samples are new, {} are gone; split the dataset anew",
                named(new),
                named(gone)
            );
            return Err(Error::input(path, what));
        }
        if file.dataset != digest_of(members) {
            let what = "was written when the samples belonged to other groups; split the dataset anew";
            return Err(Error::input(path, what));
        }
        Ok(file.parts)
    }

    /// SHA-256 of the parts: two runs with the same digest had the same split.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |name: &str, ids: &[String]| {
            feed(&mut hash, name);
            ids.iter().for_each(|id| feed(&mut hash, id));
            // No identifier has this length, so parts cannot run into one another.
            hash.update(u64::MAX.to_le_bytes());
        };
        part("train", &self.train);
        part("test", &self.test);
        self.folds.iter().for_each(|ids| part("fold", ids));
        hex(&hash.finalize())
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.train.iter().chain(&self.test).chain(self.folds.iter().flatten()).map(String::as_str)
    }
}

/// A split on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitFile {
    /// Digest of the samples' identifiers and groups.
    dataset: String,
    /// Digest of the parts.
    split: String,
    parts: Split,
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

/// Groups bin by bin, each bin shuffled by the seed; independent of the order of `members`.
fn ordered_groups<'a>(members: &'a [Member], config: &SplitConfig) -> Vec<&'a str> {
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for member in members {
        ratios.entry(&member.group).or_default().extend(member.target_ratio);
    }
    let rank = |group: &str| {
        Sha256::new().chain_update(config.seed.to_le_bytes()).chain_update(group.as_bytes()).finalize()
    };
    // A group without a mask has no target as far as anyone knows.
    let mut groups: Vec<(&str, f64)> = ratios
        .into_iter()
        .map(|(group, mut ratios)| {
            ratios.sort_by(f64::total_cmp);
            (group, ratios.iter().sum::<f64>() / ratios.len().max(1) as f64)
        })
        .collect();
    groups.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| rank(a.0).cmp(&rank(b.0))));
    let count = groups.len();
    let mut ordered: Vec<(usize, &str)> = groups
        .into_iter()
        .enumerate()
        .map(|(i, (group, _))| (i * config.bins / count.max(1), group))
        .collect();
    ordered.sort_by_cached_key(|&(bin, group)| (bin, rank(group)));
    ordered.into_iter().map(|(_, group)| group).collect()
}

/// Share of each part: training, test, folds; none where lists name the parts.
fn shares(method: &Method, groups: usize) -> Vec<f64> {
    match *method {
        Method::HoldOut { validation, test } => vec![1.0 - validation - test, test, validation],
        Method::Folds { count, test } => {
            let mut shares = vec![0.0, test];
            shares.extend(std::iter::repeat_n((1.0 - test) / count as f64, count));
            shares
        }
        Method::LeaveOneGroupOut => {
            let mut shares = vec![0.0, 0.0];
            shares.extend(std::iter::repeat_n(1.0 / groups.max(1) as f64, groups));
            shares
        }
        Method::Listed { .. } | Method::TestOnly => Vec::new(),
    }
}

/// Number of groups of each part: its share rounded down, and one more for those with the largest remainders; a part
/// that would get none takes one from the largest.
fn counts(shares: &[f64], groups: usize) -> Vec<usize> {
    let exact: Vec<f64> = shares.iter().map(|share| share * groups as f64).collect();
    let mut counts: Vec<usize> = exact.iter().map(|e| (e + 1e-9).floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..shares.len()).filter(|&part| shares[part] > 0.0).collect();
    by_remainder.sort_by(|&a, &b| (exact[b] - counts[b] as f64).total_cmp(&(exact[a] - counts[a] as f64)));
    let missing = groups.saturating_sub(counts.iter().sum());
    by_remainder.iter().take(missing).for_each(|&part| counts[part] += 1);
    for part in 0..counts.len() {
        if shares[part] > 0.0 && counts[part] == 0 {
            let largest = (0..counts.len()).rev().max_by_key(|&p| counts[p]).unwrap_or(part);
            if counts[largest] > 1 {
                counts[largest] -= 1;
                counts[part] += 1;
            }
        }
    }
    counts
}

/// The part of the first group, of the second, ...: always the part that is farthest behind its share so far, so that
/// every stretch of the sequence, and with it every bin, is divided by the shares.
fn deal(counts: &[usize]) -> Vec<usize> {
    let total: usize = counts.iter().sum();
    let mut dealt = vec![0_usize; counts.len()];
    (1..=total)
        .map(|so_far| {
            // Times `total`, to stay with integers; the first of equals.
            let behind = |part: usize| (counts[part] * so_far) as i64 - (dealt[part] * total) as i64;
            let part = (0..counts.len()).rev().max_by_key(|&part| behind(part)).unwrap_or(TRAIN);
            dealt[part] += 1;
            part
        })
        .collect()
}

/// SHA-256 of identifiers and groups, whatever their order.
fn digest_of(members: &[Member]) -> String {
    let sorted: BTreeSet<(&str, &str)> = members.iter().map(|m| (m.id.as_str(), m.group.as_str())).collect();
    let mut hash = Sha256::new();
    for (id, group) in sorted {
        feed(&mut hash, id);
        feed(&mut hash, group);
    }
    hex(&hash.finalize())
}

/// A text with its length before it, so that two texts cannot run into one another.
fn feed(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `sizes[g]` samples of each group, with ratios that grow with the group.
    fn members(sizes: &[usize]) -> Vec<Member> {
        let mut members = Vec::new();
        for (group, &size) in sizes.iter().enumerate() {
            for i in 0..size {
                let target_ratio = Some(group as f64 / sizes.len() as f64);
                members.push(Member { id: format!("{group}-{i}"), group: format!("g{group}"), target_ratio });
            }
        }
        members
    }

    fn split(members: &[Member], method: Method, bins: usize, seed: u64) -> Result<Split> {
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
        refused(&[1; 9], Method::HoldOut { validation: 0.6, test: 0.5 }, 1, "nothing is left to train on");
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
        refused(&members, "was changed after it was written");
        std::fs::write(&path, "parts = 3").unwrap();
        refused(&members, "is not a split");
    }
}
