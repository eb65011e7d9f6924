//! Which domains are trained on, validated on and tested on.

use sha2::{Digest, Sha256};

use crate::config::train::SplitConfig;
use crate::store::run::SplitLists;

/// Splits by domain: identifiers are ranked by a hash of themselves and the seed, and cut by the shares.
///
/// Each share that is not zero gets at least one domain where there are three or more. The lists keep the order of
/// `ids`.
pub fn split(ids: &[String], config: &SplitConfig) -> SplitLists {
    let mut ranked: Vec<usize> = (0..ids.len()).collect();
    ranked.sort_by_key(|&i| {
        Sha256::new().chain_update(config.seed.to_le_bytes()).chain_update(&ids[i]).finalize()
    });
    let count = |share: f64| {
        let least = usize::from(share > 0.0 && ids.len() >= 3);
        ((ids.len() as f64 * share).round() as usize).max(least)
    };
    // Rounding must not leave nothing to train on.
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
            let lists = split(&ids, &SplitConfig { validation: share, test: share, seed });
            let mut all: Vec<_> = lists.parts().iter().flat_map(|(_, ids)| ids.to_vec()).collect();
            all.sort_by_key(|id| ids.iter().position(|i| i == id));
            prop_assert_eq!(all, ids);
            prop_assert!(!lists.train.is_empty() && !lists.validation.is_empty() && !lists.test.is_empty());
        }
    }

    #[test]
    fn the_order_of_the_dataset_does_not_matter() {
        let ids: Vec<String> = (0..40).map(|i| format!("domain-{i}")).collect();
        let mut reversed = ids.clone();
        reversed.reverse();
        let (a, mut b) = (split(&ids, &SplitConfig::default()), split(&reversed, &SplitConfig::default()));
        b.test.reverse();
        assert_eq!(a.test, b.test);
    }
}
