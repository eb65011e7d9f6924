//! Configuration of augmentation: its operations and their probabilities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use porecast_base::Checks;
use porecast_base::Problem;

/// Augmentation operations, in the order in which they are applied.
///
/// The default does nothing: every probability is zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentConfig {
    /// Values outside an image that is rotated or moved.
    pub outside: Outside,
    /// 1. Objects of a rare class pasted from other images.
    pub copy_paste: CopyPasteConfig,
    /// 2. Flips, rotations, zoom, shift and shear, composed into one map.
    pub geometry: GeometryConfig,
    /// 3. A smooth random displacement, in the same resampling as `geometry`.
    pub elastic: ElasticConfig,
    /// 4. A randomly chosen sub-policy of the auto-augmentation.
    pub auto: AutoAugmentConfig,
    /// 5. Brightness, contrast, saturation and gamma.
    pub color: ColorConfig,
    /// 6. Gaussian noise on each value.
    pub noise: NoiseConfig,
    /// 7. Rectangles cut out.
    pub cutout: CutoutConfig,
}

/// Values outside an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outside {
    /// The image and its mask mirrored at their edges, `dcba|abcd|dcba`.
    Reflect,
    /// The values at the edge.
    Edge,
    /// One value in every channel of the image and one class in the mask.
    Fill {
        /// Value in the image, from 0 (black) to 1 (white).
        #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
        value: f32,
        /// Number of the class in the mask.
        class: u8,
    },
}

impl Default for Outside {
    fn default() -> Self {
        Self::Fill { value: 0.0, class: 0 }
    }
}

/// Objects of a rare class pasted from other images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CopyPasteConfig {
    /// Share of the samples that receive pasted objects.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub probability: f64,
    /// Number of the rare class.
    pub class: u8,
    /// Largest number of objects pasted into one sample.
    #[schemars(range(min = 1))]
    pub most: usize,
    /// Smallest object to paste, in pixels.
    #[schemars(range(min = 1))]
    pub minimum_area_px: usize,
}

impl Default for CopyPasteConfig {
    fn default() -> Self {
        Self { probability: 0.0, class: 1, most: 3, minimum_area_px: 16 }
    }
}

/// Flips, rotations, zoom, shift and shear, composed into one map, so that the image is resampled only once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GeometryConfig {
    /// Probability of exchanging left and right.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub flip_horizontal: f64,
    /// Probability of exchanging top and bottom.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub flip_vertical: f64,
    /// Probability of a rotation by 90, 180 or 270 degrees; always by 180 if the image is not square.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub quarter_turns: f64,
    /// Probability of rotation, zoom, shift and shear, which are drawn together.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub probability: f64,
    /// Largest rotation either way, in degrees.
    #[schemars(extend("minimum" = 0.0, "maximum" = 180.0))]
    pub rotation_deg: f64,
    /// Smallest and largest magnification; its logarithm is uniformly distributed.
    #[schemars(inner(range(min = 0.1, max = 10.0)))]
    pub zoom: [f64; 2],
    /// Largest shift either way, as a share of the height or width.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub shift: f64,
    /// Largest shear angle either way in degrees, along x and along y.
    #[schemars(extend("minimum" = 0.0, "maximum" = 44.0))]
    pub shear_deg: f64,
}

impl Default for GeometryConfig {
    fn default() -> Self {
        Self {
            flip_horizontal: 0.0,
            flip_vertical: 0.0,
            quarter_turns: 0.0,
            probability: 0.0,
            rotation_deg: 0.0,
            zoom: [1.0, 1.0],
            shift: 0.0,
            shear_deg: 0.0,
        }
    }
}

/// A smooth random displacement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticConfig {
    /// Share of the samples that are displaced.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub probability: f64,
    /// Spacing of the displacement grid in pixels.
    #[schemars(extend("minimum" = 4.0, "maximum" = 10000.0))]
    pub grid_px: f64,
    /// Standard deviation of each node's displacement along y and along x, in pixels.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1000.0))]
    pub displacement_px: f64,
}

impl Default for ElasticConfig {
    fn default() -> Self {
        Self { probability: 0.0, grid_px: 64.0, displacement_px: 10.0 }
    }
}

/// Auto-augmentation: each sample gets one randomly chosen sub-policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoAugmentConfig {
    /// Probability in the first epoch.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub probability: f64,
    /// Probability in the last epoch with auto-augmentation; it changes linearly from the first epoch
    /// on.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub final_probability: f64,
    /// Number of epochs at the end without auto-augmentation.
    pub off_for_last: usize,
    /// Table of sub-policies.
    pub policy: Policy,
}

impl Default for AutoAugmentConfig {
    fn default() -> Self {
        Self { probability: 0.0, final_probability: 0.0, off_for_last: 5, policy: Policy::default() }
    }
}

impl AutoAugmentConfig {
    /// Probability in an epoch (counted from 0) of a training run of `epochs` epochs.
    pub fn probability_in(&self, epoch: usize, epochs: usize) -> f64 {
        let last = epochs.saturating_sub(self.off_for_last).saturating_sub(1);
        if epoch + self.off_for_last >= epochs {
            return 0.0;
        }
        let done = if last == 0 { 0.0 } else { epoch as f64 / last as f64 };
        self.probability + done * (self.final_probability - self.probability)
    }
}

/// Brightness, contrast, saturation and gamma, drawn independently.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ColorConfig {
    /// Share of the samples that are changed.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub probability: f64,
    /// Largest deviation of the brightness factor from 1.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub brightness: f64,
    /// Largest deviation of the contrast factor from 1.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub contrast: f64,
    /// Largest deviation of the saturation factor from 1.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub saturation: f64,
    /// The exponent lies between 1/(1 + gamma) and 1 + gamma; its logarithm is uniformly distributed.
    #[schemars(extend("minimum" = 0.0, "maximum" = 9.0))]
    pub gamma: f64,
}

/// Noise I + σ N(0, 1), clamped to [0, 1].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseConfig {
    /// Share of the samples with noise.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub probability: f64,
    /// Standard deviation σ on the scale of [0, 1].
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub sigma: f64,
}

/// Rectangles cut out of the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CutoutConfig {
    /// Share of the samples with cutouts.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub probability: f64,
    /// Number of rectangles in a sample.
    pub count: usize,
    /// Height and width of a rectangle as a share of those of the image.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub size: f64,
    /// Value inside the rectangles, from 0 (black) to 1 (white).
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub value: f32,
    /// Class inside the rectangles in the mask; if not given, the mask is unchanged.
    pub class: Option<u8>,
}

impl Default for CutoutConfig {
    fn default() -> Self {
        Self { probability: 0.0, count: 1, size: 0.25, value: 0.0, class: None }
    }
}

impl AugmentConfig {
    /// Every value outside its range.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        if let Outside::Fill { value, .. } = self.outside {
            checks.probability("outside.fill.value", value.into());
        }
        let paste = &self.copy_paste;
        checks.probability("copy_paste.probability", paste.probability);
        checks.expect(paste.most >= 1, "copy_paste.most", paste.most, "at least 1");
        checks.expect(
            paste.minimum_area_px >= 1,
            "copy_paste.minimum_area_px",
            paste.minimum_area_px,
            "at least 1",
        );

        let geometry = &self.geometry;
        checks.probability("geometry.flip_horizontal", geometry.flip_horizontal);
        checks.probability("geometry.flip_vertical", geometry.flip_vertical);
        checks.probability("geometry.quarter_turns", geometry.quarter_turns);
        checks.probability("geometry.probability", geometry.probability);
        checks.range("geometry.rotation_deg", geometry.rotation_deg, 0.0, 180.0);
        let [least, most] = geometry.zoom;
        checks.range("geometry.zoom[0]", least, 0.1, 10.0);
        checks.range("geometry.zoom[1]", most, least.clamp(0.1, 10.0), 10.0);
        checks.probability("geometry.shift", geometry.shift);
        checks.range("geometry.shear_deg", geometry.shear_deg, 0.0, 44.0);

        let elastic = &self.elastic;
        checks.probability("elastic.probability", elastic.probability);
        checks.range("elastic.grid_px", elastic.grid_px, 4.0, 10_000.0);
        checks.range("elastic.displacement_px", elastic.displacement_px, 0.0, 1_000.0);

        checks.probability("auto.probability", self.auto.probability);
        checks.probability("auto.final_probability", self.auto.final_probability);

        let color = &self.color;
        checks.probability("color.probability", color.probability);
        checks.probability("color.brightness", color.brightness);
        checks.probability("color.contrast", color.contrast);
        checks.probability("color.saturation", color.saturation);
        checks.range("color.gamma", color.gamma, 0.0, 9.0);

        checks.probability("noise.probability", self.noise.probability);
        checks.probability("noise.sigma", self.noise.sigma);

        checks.probability("cutout.probability", self.cutout.probability);
        checks.probability("cutout.size", self.cutout.size);
        checks.probability("cutout.value", self.cutout.value.into());
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_no_problems() {
        assert_eq!(AugmentConfig::default().problems(), []);
    }

    #[test]
    fn every_problem_is_reported_with_key_value_and_range() {
        let config = AugmentConfig {
            geometry: GeometryConfig { zoom: [2.0, 1.0], flip_vertical: 1.5, ..Default::default() },
            noise: NoiseConfig { probability: f64::NAN, sigma: -0.1 },
            ..Default::default()
        };
        let problems: Vec<_> = config.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "geometry.flip_vertical: 1.5 is outside [0, 1]",
                "geometry.zoom[1]: 1 is outside [2, 10]",
                "noise.probability: NaN is outside [0, 1]",
                "noise.sigma: -0.1 is outside [0, 1]",
            ]
        );
    }

    #[test]
    fn unknown_keys_are_refused_and_configurations_survive_json() {
        assert!(serde_json::from_str::<AugmentConfig>(r#"{"nose": {}}"#).is_err());
        assert!(serde_json::from_str::<AugmentConfig>(r#"{"noise": {"sigmas": 1.0}}"#).is_err());
        let filled = r#"{"outside": {"fill": {"value": 0.5, "class": 3}}, "auto": {"policy": "every"}}"#;
        let filled = serde_json::from_str::<AugmentConfig>(filled).unwrap();
        assert_eq!(filled.outside, Outside::Fill { value: 0.5, class: 3 });
        let config = AugmentConfig { outside: Outside::Reflect, ..Default::default() };
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<AugmentConfig>(&text).unwrap(), config);
    }

    #[test]
    fn auto_augmentation_falls_and_then_rests() {
        let auto = AutoAugmentConfig { probability: 0.4, final_probability: 0.1, ..Default::default() };
        let schedule: Vec<f64> = (0..12).map(|epoch| auto.probability_in(epoch, 12)).collect();
        for (epoch, expected) in [(0, 0.4), (1, 0.35), (3, 0.25), (6, 0.1), (7, 0.0), (11, 0.0)] {
            assert!((schedule[epoch] - expected).abs() < 1e-12, "{schedule:?}");
        }
        assert!((0..4).all(|epoch| auto.probability_in(epoch, 4) == 0.0));
        assert_eq!(auto.probability_in(0, 6), 0.4);
    }
}
