//! Weights of a recurrent network in one whose state has more channels.

use super::ops::GROUP;
use porecast_store::weights::{WeightTensor, Weights, from_safetensors, to_safetensors};

const RECURRENCE: &str = "Unet.recurrence.";
const NORM: &str = "Unet.recurrence.norm.Group.gamma";

/// The weights `narrow` with those of the recurrence in the shapes of `wide`, or `None` where it is not the narrower one.
///
/// The channels that both have compute what they did in the narrow network; the others read all channels, with the weights of
/// `wide`, and nothing reads them yet. Both are the bytes of a safetensors file.
///
/// # References
/// Chen, Goodfellow & Shlens (2016), Net2Net, which copies channels instead.
pub fn widened(narrow: &[u8], wide: &[u8]) -> Option<Vec<u8>> {
    let [mut narrow, wide] = [narrow, wide].map(|bytes| from_safetensors(bytes).unwrap_or_default());
    let channels = |weights: &Weights| Some(weights.get(NORM)?.shape[0]);
    let channels = [channels(&narrow)?, channels(&wide)?];
    let fits = channels[0] < channels[1] && channels.iter().all(|count| count.is_multiple_of(GROUP));
    if !fits {
        return None;
    }
    for (name, wide) in wide.iter().filter(|(name, _)| name.starts_with(RECURRENCE)) {
        let tensor = narrow.get_mut(name)?;
        *tensor = grown(tensor, wide, channels)?;
    }
    Some(to_safetensors(&narrow))
}

/// `wide` with the values of `narrow` for the channels that both have. An axis whose lengths differ holds one or more times the
/// channels `before` or `now`.
fn grown(narrow: &WeightTensor, wide: &WeightTensor, [before, now]: [usize; 2]) -> Option<WeightTensor> {
    let lengths = || narrow.shape.iter().copied().zip(wide.shape.iter().copied());
    let fits = |(from, to): (usize, usize)| from == to || from % before == 0 && from / before * now == to;
    if narrow.shape.len() != wide.shape.len() || !lengths().all(fits) {
        return None;
    }
    let value = |mut place: usize| {
        let own = wide.values[place];
        let (mut source, mut stride) = (0, 1);
        let mut is_shared = vec![true; narrow.shape.len()];
        for (axis, (from, to)) in lengths().enumerate().rev() {
            let (index, rest) = (place % to, place / to);
            let (part, channel) = if from == to { (0, index) } else { (index / now, index % now) };
            is_shared[axis] = from == to || channel < before;
            source += stride * (part * before + channel);
            stride *= from;
            place = rest;
        }
        match is_shared.as_slice() {
            [true, false, _, _] => 0.0, // a convolution, from a channel that is new to one that is not
            all if all.iter().all(|shared| *shared) => narrow.values[source],
            _ => own,
        }
    };
    let values = (0..wide.values.len()).map(value).collect();
    Some(WeightTensor { shape: wide.shape.clone(), values })
}
