//! Domains, physics and times outside those that a run was trained on.

use porecast_base::{Error, Result};
use porecast_simulations::{Domain, Side, TimeUnit};
use porecast_store::Physics;
use porecast_store::run::DatasetCard;

/// Largest factor between the size of a domain and that of the training domains without a warning.
const SIZE_FACTOR: f64 = 2.0;
/// Largest factor between length or width of a domain and those of the validation domains with which intervals are stated. In
/// wide domains more fingers compete, and breakthrough is predicted late; in short ones the saturation lags more.
const VALIDATION_FACTOR: f64 = 1.5;
/// Least and largest factor by which a domain is rescaled, and the relative change that is not worth it.
pub(super) const RESCALED: [f64; 2] = [1.0 / 16.0, 4.0];
const NEGLIGIBLE: f64 = 0.05;
/// Difference between saturation and injected pore volumes that is still taken for rounding.
const SATURATION_MARGIN: f64 = 0.02;

/// A property of a domain that lies outside the training domains.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outside {
    /// The property, as `capillary number`.
    pub what: String,
    /// Its value and the range of the training domains, in words.
    pub text: String,
}

/// Every property of a domain that lies outside the training domains; `seen` is the domain in the resolution in which it is
/// predicted.
pub(super) fn outside(
    card: &DatasetCard,
    domain: &Domain,
    seen: &Domain,
    inlet: Side,
    physics: &Physics,
) -> Vec<Outside> {
    let outside = |what: &str, value: f64, least: f64, most: f64| Outside {
        what: what.to_owned(),
        text: format!(
            "{what} {} is outside {} to {}, the range of the training domains",
            significant(value),
            significant(least),
            significant(most)
        ),
    };
    let mut found = Vec::new();
    for scale in &card.physics {
        let value = scale.quantity.of(physics, domain.porosity()).filter(|value| !scale.covers(*value));
        let Some(value) = value else { continue };
        let what = scale.quantity.name();
        if scale.least == scale.most {
            let text = format!(
                "{what} {} has no effect: all training domains have {}",
                significant(value),
                significant(scale.least)
            );
            found.push(Outside { what: what.to_owned(), text });
        } else {
            found.push(outside(what, value, scale.least, scale.most));
        }
    }
    let porosity = domain.porosity();
    if let Some([least, most]) = card.porosity
        && !(least..=most).contains(&porosity)
        && !found.iter().any(|outside| outside.what == "porosity")
    {
        found.push(outside("porosity", porosity, least, most));
    }
    for (axis, what) in ["length", "width"].into_iter().enumerate() {
        let length = lengths(seen.shape(), inlet)[axis];
        let learnt = || card.sizes().map(|size| lengths(size, card.inlet)[axis]);
        let (least, most) = (learnt().min().unwrap_or(length), learnt().max().unwrap_or(length));
        let (shortest, longest) = (least as f64 / SIZE_FACTOR, most as f64 * SIZE_FACTOR);
        if !(shortest..=longest).contains(&(length as f64)) {
            let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
            let text = format!(
                "{what} {length} pixels is far from that of the training domains, {range}; half and twice are fine"
            );
            found.push(Outside { what: what.to_owned(), text });
        }
    }
    let chord = seen.mean_chord_length().zip(card.chord_length);
    if let Some((own, [least, most])) = chord
        && fitting_scale(card, Some(own)) != 1.0
    {
        found.push(outside("mean chord length of the pores (pixels)", own, least, most));
    }
    let voxel = domain.voxel_size_m / card.voxel_size_m;
    if card.chord_length.is_none() && voxel.is_finite() && !(0.99..=1.01).contains(&voxel) {
        let text = format!(
            "pixels of {} m; the training domains have pixels of {} m",
            significant(domain.voxel_size_m),
            significant(card.voxel_size_m)
        );
        found.push(Outside { what: "pixel size".into(), text });
    }
    found
}

/// Where a domain, in the resolution in which it is predicted, is unlike the validation domains, whose errors the intervals
/// come from: they have about its length and width, and grains as coarse as in the training in its own resolution.
pub(super) fn unlike_validation(card: &DatasetCard, seen: &Domain, inlet: Side) -> Option<String> {
    let (_, height, width) = card.shape;
    let (own, validation) = (lengths(seen.shape(), inlet), lengths((height, width), card.inlet));
    for (axis, what) in ["length", "width"].into_iter().enumerate() {
        let ratio = own[axis] as f64 / validation[axis] as f64;
        if !(1.0 / VALIDATION_FACTOR..=VALIDATION_FACTOR).contains(&ratio) {
            return Some(format!(
                "{what} {} pixels, of the validation domains {}",
                own[axis], validation[axis]
            ));
        }
    }
    let finest = card.also_rescaled_by.iter().copied().fold(1.0, f64::min);
    let chord = seen.mean_chord_length().zip(card.chord_length);
    let (own, [least, _]) = chord?;
    (own < least / finest * (1.0 - NEGLIGIBLE))
        .then(|| "the grains are finer than in the validation domains".to_owned())
}

/// Length and width of a domain along and across the flow.
fn lengths((height, width): (usize, usize), inlet: Side) -> [usize; 2] {
    match inlet {
        Side::Top | Side::Bottom => [height, width],
        Side::Left | Side::Right => [width, height],
    }
}

/// The factor that brings a mean chord length of pores into the range of the training domains; 1 where it lies there, or is
/// not known.
pub(super) fn fitting_scale(card: &DatasetCard, chord: Option<f64>) -> f64 {
    let factor =
        chord.zip(card.chord_length).map_or(1.0, |(own, [least, most])| own.clamp(least, most) / own);
    if (factor - 1.0).abs() < NEGLIGIBLE { 1.0 } else { factor.clamp(RESCALED[0], RESCALED[1]) }
}

/// The resolutions of the training, besides that of `factor`, in which the pores of a domain are as fine as in the training.
///
/// The chords of the domain itself count: in a coarse resolution thin grains vanish, and the chords that remain are longer.
pub(super) fn known_scales(card: &DatasetCard, domain: &Domain, factor: f64) -> Vec<f64> {
    let chord = domain.mean_chord_length();
    let scales = card.also_rescaled_by.iter().map(|scale| factor * scale);
    scales.filter(|scale| fitting_scale(card, chord.map(|chord| chord * scale)) == 1.0).collect()
}

/// Says in which resolution a domain is predicted, if not in its own.
pub(super) fn rescaled(card: &DatasetCard, domain: &Domain, factor: f64) -> Option<String> {
    if factor == 1.0 {
        return None;
    }
    let own = domain.mean_chord_length().zip(card.chord_length).map(|(own, [least, most])| {
        let [own, least, most] = [own, least, most].map(significant);
        format!(": the mean chord of its pores has {own} pixels, in the training domains {least} to {most}")
    });
    Some(format!("predicted at {} times its resolution{}", significant(factor), own.unwrap_or_default()))
}

/// Times after the last one of the training, in words.
pub(super) fn late(card: &DatasetCard, times: &[f64], is_sequence: bool) -> Option<String> {
    let last = card.time_scale * (1.0 + 1e-3);
    let count = times.iter().filter(|time| **time > last).count();
    let how = if is_sequence { "its last frame is repeated there" } else { "it was never trained there" };
    (count > 0).then(|| {
        format!(
            "{count} of {} times are after {}, the last time of the training domains: {how}",
            times.len(),
            significant(card.time_scale)
        )
    })
}

/// Refuses times after the last one of the training.
///
/// # Errors
/// A time lies after it, unless `is_allowed`.
pub(super) fn check_times(card: &DatasetCard, times: &[f64], is_allowed: bool) -> Result<()> {
    let last = card.time_scale;
    match times.iter().find(|time| **time > last * (1.0 + 1e-9)) {
        Some(time) if !is_allowed => {
            let what = format!(
                "{time} is after {}, the last time of the training domains; add --extrapolate to predict it anyway",
                significant(last)
            );
            Err(Error::config("--times", what))
        }
        _ => Ok(()),
    }
}

/// The first times at which more or less fluid is predicted than was injected, in words; `rows` holds times, saturations
/// and whether fluid is at the outlet, from where on some of it has left.
pub(super) fn wrong_volumes(
    card: &DatasetCard,
    rows: impl Iterator<Item = (f64, f64, bool)> + Clone,
) -> Vec<String> {
    match card.time_unit {
        TimeUnit::PoreVolumes => {}
        TimeUnit::Seconds | TimeUnit::Frame => return Vec::new(),
    }
    let at = |(time, saturation, _): (f64, f64, bool)| {
        format!("at time {} the predicted saturation {}", significant(time), significant(saturation))
    };
    let above = rows.clone().find(|(time, saturation, _)| *saturation > time + SATURATION_MARGIN);
    let mut inside = rows.take_while(|(.., at_outlet)| !at_outlet);
    // Compressed fluid takes less room than was injected. A network predicts this as it was in the training domains.
    let lag = card.lag.unwrap_or(0.0);
    let below = inside.find(|(time, saturation, _)| *saturation < time - lag - SATURATION_MARGIN);
    let unlike = "; do not rely on this prediction: the network was trained too little, or on other domains";
    let above = above.map(|row| format!("{} exceeds the injected volume{unlike}", at(row)));
    let below = below.map(|row| {
        let training = card.lag.map_or(String::new(), |lag| {
            format!(" by more than {} (99 % of the training domains lag less)", significant(lag))
        });
        format!("{} is below the injected volume{training}, and none has left at the outlet{unlike}", at(row))
    });
    above.into_iter().chain(below).collect()
}

/// A number with three significant digits.
pub(super) fn significant(value: f64) -> String {
    format!("{value:.2e}").parse::<f64>().map_or_else(|_| value.to_string(), |rounded| rounded.to_string())
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use porecast_store::run::AlsoTrainedOn;
    use porecast_store::{Quantity, QuantityScale};

    use super::*;

    fn card() -> DatasetCard {
        DatasetCard {
            path: "d.h5".into(),
            fingerprint: String::new(),
            shape: (26, 256, 64),
            time_unit: TimeUnit::PoreVolumes,
            inlet: Side::Top,
            voxel_size_m: 35e-6,
            time_scale: 0.8,
            mean_times: vec![],
            physics: vec![QuantityScale::new(Quantity::CapillaryNumber, &[1e-3, 1e-2])],
            porosity: Some([0.4, 0.7]),
            chord_length: None,
            lag: None,
            also: vec![],
            also_rescaled_by: vec![],
        }
    }

    #[test]
    fn what_lies_outside_the_training_is_named() {
        let found = |height: usize, width: usize, inlet, number| {
            let solid = Array2::from_shape_fn((height, width), |(y, _)| y % 2 == 0);
            let domain = Domain { solid, voxel_size_m: 35e-6 };
            let physics = Physics { capillary_number: Some(number), ..Physics::default() };
            outside(&card(), &domain, &domain, inlet, &physics)
                .into_iter()
                .map(|one| one.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(256, 64, Side::Top, 5e-3), [] as [&str; 0]);
        assert_eq!(found(64, 256, Side::Left, 1e-2), [] as [&str; 0]);
        let text = "capillary number 0.05 is outside 0.001 to 0.01, the range of the training domains";
        assert_eq!(found(256, 64, Side::Top, 0.05), [text]);
        assert_eq!(
            found(600, 64, Side::Top, 1e-2),
            ["length 600 pixels is far from that of the training domains, 256; half and twice are fine"]
        );
        let mut of_two_sizes = card();
        of_two_sizes.also.push(AlsoTrainedOn {
            path: "large.h5".into(),
            fingerprint: String::new(),
            shape: (26, 512, 128),
            domains: vec![],
        });
        let found = |height: usize| {
            let domain = Domain {
                solid: Array2::from_shape_fn((height, 64), |(y, _)| y % 2 == 0),
                voxel_size_m: 35e-6,
            };
            let found = outside(&of_two_sizes, &domain, &domain, Side::Top, &Physics::default());
            found.into_iter().map(|one| one.text).collect::<Vec<_>>()
        };
        assert_eq!(found(1024), [] as [&str; 0]);
        assert_eq!(
            found(1100),
            [
                "length 1100 pixels is far from that of the training domains, 256 to 512; half and twice are fine"
            ]
        );
    }

    #[test]
    fn porosity_and_pixels_are_checked() {
        let domain = Domain { solid: Array2::from_elem((256, 64), false), voxel_size_m: 1e-6 };
        let physics = Physics { capillary_number: Some(1e-2), ..Physics::default() };
        let found = outside(&card(), &domain, &domain, Side::Top, &physics);
        let what: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(what, ["porosity", "pixel size"]);
    }

    #[test]
    fn intervals_hold_for_domains_like_those_of_the_validation() {
        let card = DatasetCard { chord_length: Some([2.0, 20.0]), also_rescaled_by: vec![0.5], ..card() };
        let is_like = |height: usize, width: usize, period: usize, inlet| {
            let solid = Array2::from_shape_fn((height, width), |(y, x)| y % period == 0 || x % period == 0);
            unlike_validation(&card, &Domain { solid, voxel_size_m: 1e-6 }, inlet).is_none()
        };
        assert!(is_like(256, 64, 10, Side::Top) && is_like(64, 256, 10, Side::Left));
        assert!(is_like(171, 64, 10, Side::Top) && is_like(384, 90, 10, Side::Top));
        assert!(!is_like(128, 64, 10, Side::Top), "shorter");
        let short = Domain { solid: Array2::from_elem((64, 100), false), voxel_size_m: 1e-6 };
        let text = "length 100 pixels, of the validation domains 256";
        assert_eq!(unlike_validation(&card, &short, Side::Left).as_deref(), Some(text));
        assert!(!is_like(256, 128, 10, Side::Top), "wider");
        assert!(
            !is_like(256, 64, 4, Side::Top),
            "chords of 3 pixels are known from half the resolution only"
        );
    }

    #[test]
    fn chords_are_brought_into_the_range_of_the_training() {
        // Rows of two pores; columns are all pore.
        let solid = Array2::from_shape_fn((6, 256), |(_, x)| x % 3 == 0);
        let domain = Domain { solid, voxel_size_m: 1e-6 };
        assert_eq!(domain.mean_chord_length(), Some(3.0));
        let card = DatasetCard { chord_length: Some([6.0, 9.0]), ..card() };
        let text = rescaled(&card, &domain, 2.0).expect("another resolution");
        let wanted = "predicted at 2 times its resolution: the mean chord of its pores has 3 pixels, in the training \
                      domains 6 to 9";
        assert_eq!(text, wanted);
        assert_eq!(rescaled(&card, &domain, 1.0), None);
        let scale = |range: [f64; 2]| {
            let card = DatasetCard { chord_length: Some(range), ..card.clone() };
            fitting_scale(&card, domain.mean_chord_length())
        };
        assert_eq!([[2.0, 4.0], [4.5, 9.0], [1.0, 1.5]].map(scale), [1.0, 1.5, 0.5]);
        assert_eq!(scale([3.1, 9.0]), 1.0, "not worth it");
        assert_eq!(scale([60.0, 90.0]), 4.0, "no more than four times");
        let found = outside(&card, &domain, &domain, Side::Left, &Physics::default());
        assert!(found.iter().any(|one| one.text.starts_with("mean chord length of the pores")), "{found:?}");
        assert!(!found.iter().any(|one| one.what == "pixel size"), "the chords say how coarse it is");
    }

    #[test]
    fn a_resolution_in_which_thin_grains_vanish_is_not_known() {
        // Chords of three pixels, some of them cut by grains of a single pixel.
        let solid = Array2::from_shape_fn((64, 64), |(y, x)| x % 4 == 0 || (y % 4 == 0 && x % 8 == 2));
        let domain = Domain { solid, voxel_size_m: 1e-6 };
        let own = domain.mean_chord_length().expect("pores");
        let coarse = crate::rescale::rescaled(&domain, 0.5).mean_chord_length().expect("pores");
        assert!(coarse > 0.75 * own, "{coarse} is about as long as {own}, not half of it");
        let card = |least: f64| DatasetCard {
            chord_length: Some([least, 20.0]),
            also_rescaled_by: vec![0.5, 0.75],
            ..card()
        };
        assert_eq!(known_scales(&card(0.7 * own), &domain, 1.0), [0.75]);
        assert_eq!(known_scales(&card(0.4 * own), &domain, 1.0), [0.5, 0.75]);
        assert_eq!(known_scales(&card(0.7 * own), &domain, 2.0), [1.0, 1.5]);
    }

    #[test]
    fn late_times_and_too_much_fluid_are_found() {
        assert!(check_times(&card(), &[0.1, 0.8], false).is_ok());
        assert!(check_times(&card(), &[0.9], true).is_ok());
        let error = check_times(&card(), &[0.9], false).unwrap_err().to_string();
        assert!(error.contains("0.9 is after 0.8") && error.contains("--extrapolate"), "{error}");
        let rows = [(0.0, 0.01, false), (0.1, 0.11, false), (0.2, 0.4, false)];
        let text = wrong_volumes(&card(), rows.into_iter());
        assert_eq!(
            text,
            [
                "at time 0.2 the predicted saturation 0.4 exceeds the injected volume; do not rely on this prediction: the \
                 network was trained too little, or on other domains"
            ]
        );
        let rows = [(0.1, 0.1, false), (0.2, 0.11, false), (0.3, 0.12, true)];
        let text = wrong_volumes(&card(), rows.into_iter());
        assert!(
            text.len() == 1 && text[0].contains("0.2 the predicted saturation 0.11 is below"),
            "{text:?}"
        );
        let lagging = DatasetCard { lag: Some(0.08), ..card() };
        assert!(wrong_volumes(&lagging, rows.into_iter()).is_empty(), "as in the training domains");
        let rows = [(0.1, 0.1, false), (0.3, 0.12, true)];
        assert!(wrong_volumes(&card(), rows.into_iter()).is_empty(), "fluid has left");
    }
}
