//! Who made a mask.

use serde::{Deserialize, Serialize};

/// Who made a mask: the predictor, before and after post-processing, or a baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The class of highest probability in each pixel.
    Network,
    /// The mask after post-processing.
    Postprocessed,
    /// Every pixel is background.
    AllBackground,
    /// The class most frequent in each pixel over the training images.
    MeanMask,
}

impl Source {
    /// All sources, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Network, Self::Postprocessed, Self::AllBackground, Self::MeanMask];

    /// Name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Postprocessed => "post-processed",
            Self::AllBackground => "all background",
            Self::MeanMask => "mean mask",
        }
    }

    /// What it is, in a sentence for readers.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Network => {
                "the class of highest probability in each pixel; with two classes, a probability above 0.5"
            }
            Self::Postprocessed => "the mask after post-processing; shown only if it differs",
            Self::AllBackground => "every pixel is background",
            Self::MeanMask => {
                "in each pixel the most frequent class of the training images with a mask; for a validation image of a \
                 fold, of the images that this fold is trained on; on the training part, the image itself is included"
            }
        }
    }

    /// Whether it is a baseline.
    pub fn is_baseline(self) -> bool {
        matches!(self, Self::AllBackground | Self::MeanMask)
    }
}
