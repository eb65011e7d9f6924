//! The order of the samples. It depends on seed and epoch only, so a resumed run sees the same
//! order.

use std::collections::HashMap;

use rand::RngExt;
use rand::seq::SliceRandom;

use super::packed::Mirror;
use porecast_base::seed;
use porecast_store::config::train::TrainingConfig;

/// Frames of one domain that go into the same batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Pick {
    /// Index of the domain in the data.
    pub domain: usize,
    /// Indices of the frames.
    pub frames: Vec<usize>,
    /// Mirror to apply.
    pub mirror: Mirror,
    /// Epoch that seeds the augmentation; `None` leaves the sample unchanged.
    pub epoch: Option<usize>,
}

/// The batches of an epoch.
///
/// One round shows every frame of every domain: it shuffles the frames of each domain, cuts them
/// into groups of `frames_per_domain` (the last filled up from the first), shuffles the groups and
/// cuts them into batches of domains of one size. `samples_per_epoch` takes part of a round, or several rounds. All
/// batches but the last of each size hold [`groups_per_batch`] groups. `across` is the mirror that exchanges the two
/// lateral sides; `size` gives height and width of a domain.
pub fn epoch(
    run_seed: u64,
    epoch: usize,
    domains: &[usize],
    frames: &[usize],
    config: &TrainingConfig,
    across: Mirror,
    size: impl Fn(usize) -> (usize, usize),
) -> Vec<Vec<Pick>> {
    let mut generator = seed::generator(run_seed, "order", epoch as u64);
    let group = config.frames_per_domain.min(frames.len());
    let groups_per_round = domains.len() * frames.len().div_ceil(group);
    let wanted = match config.samples_per_epoch {
        0 => groups_per_round,
        samples => samples.div_ceil(group),
    };
    let mut picks = Vec::with_capacity(wanted + groups_per_round);
    while picks.len() < wanted {
        let start = picks.len();
        for &domain in domains {
            let mut shuffled = frames.to_vec();
            shuffled.shuffle(&mut generator);
            let missing = frames.len().next_multiple_of(group) - frames.len();
            shuffled.extend_from_within(..missing);
            picks.extend(shuffled.chunks(group).map(|frames| Pick {
                domain,
                frames: frames.to_vec(),
                mirror: Mirror::None,
                epoch: Some(epoch),
            }));
        }
        picks[start..].shuffle(&mut generator);
    }
    picks.truncate(wanted);
    if config.lateral_flip {
        for pick in &mut picks {
            pick.mirror = if generator.random::<bool>() { across } else { Mirror::None };
        }
    }
    let mut batches: Vec<Vec<Pick>> = Vec::new();
    // The batch of each size that is not yet full.
    let mut open = HashMap::new();
    for pick in picks {
        let own = size(pick.domain);
        let batch = *open.entry(own).or_insert_with(|| {
            batches.push(Vec::new());
            batches.len() - 1
        });
        batches[batch].push(pick);
        if batches[batch].len() == groups_per_batch(config, group, size(domains[0]), own) {
            open.remove(&own);
        }
    }
    batches
}

/// Number of groups of frames in a batch of domains of `size`, at least one. A batch has at most `batch_size` samples and at
/// most as many pixels as `batch_size` samples of the size `usual`.
pub fn groups_per_batch(
    config: &TrainingConfig,
    frames: usize,
    usual: (usize, usize),
    size: (usize, usize),
) -> usize {
    let pixels = |(height, width): (usize, usize)| height * width;
    let most = config.batch_size / frames;
    (most * pixels(usual) / pixels(size)).clamp(1, most.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_epoch_sees_every_frame_of_every_domain(
            domains in 1usize..8, frames in 1usize..8, group in 1usize..4, per_batch in 1usize..4, seed in any::<u64>(),
        ) {
            let config = TrainingConfig {
                batch_size: group * per_batch, frames_per_domain: group, ..TrainingConfig::default()
            };
            let domains: Vec<_> = (0..domains).collect();
            let frames: Vec<_> = (0..frames).collect();
            let size = |_| (8, 4);
            let batches = epoch(seed, 3, &domains, &frames, &config, Mirror::Horizontal, size);
            let mut seen = std::collections::HashSet::new();
            for pick in batches.iter().flatten() {
                seen.extend(pick.frames.iter().map(|&frame| (pick.domain, frame)));
            }
            prop_assert_eq!(seen.len(), domains.len() * frames.len());
            prop_assert_eq!(&batches, &epoch(seed, 3, &domains, &frames, &config, Mirror::Horizontal, size));
        }

        #[test]
        fn a_batch_has_domains_of_one_size_and_no_more_pixels_than_of_the_usual(
            domains in 1usize..20, per_batch in 1usize..5, seed in any::<u64>(),
        ) {
            let config =
                TrainingConfig { batch_size: 2 * per_batch, frames_per_domain: 2, ..TrainingConfig::default() };
            let size = |domain: usize| [(8, 4), (4, 4), (16, 8)][domain % 3];
            let domains: Vec<_> = (0..domains).collect();
            let batches = epoch(seed, 0, &domains, &[0, 1, 2, 3], &config, Mirror::None, size);
            let mut filled = std::collections::HashMap::new();
            for batch in &batches {
                let (height, width) = size(batch[0].domain);
                prop_assert!(batch.iter().all(|pick| size(pick.domain) == (height, width)));
                prop_assert!(batch.len() == 1 || batch.len() * height * width <= per_batch * 32);
                // Only the last batch of a size may lack domains.
                let full = groups_per_batch(&config, 2, (8, 4), (height, width));
                prop_assert!(filled.insert((height, width), batch.len() == full) != Some(false));
            }
            prop_assert_eq!(batches.concat().len(), 2 * domains.len());
        }

        #[test]
        fn an_epoch_has_the_samples_asked_for(samples in 1usize..100) {
            let config = TrainingConfig { batch_size: 4, samples_per_epoch: samples, ..TrainingConfig::default() };
            let batches = epoch(1, 0, &[0, 1, 2], &[5], &config, Mirror::None, |_| (8, 4));
            let count: usize = batches.iter().flatten().map(|pick| pick.frames.len()).sum();
            prop_assert_eq!(count, samples);
        }
    }
}
