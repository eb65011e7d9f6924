//! Measures of segmentation quality. Each is a function either of counts, which can be added over the images
//! of a set, or of two masks.

mod confusion;
mod confusion_matrix;
mod dice;
mod hausdorff;
mod iou;
mod score_histogram;

pub use confusion::Confusion;
pub use confusion_matrix::ConfusionMatrix;
pub use hausdorff::{hausdorff_mm, outline};
pub use score_histogram::{OperatingPoint, ScoreHistogram};
