//! Annotated images, without any network: the on-disk formats of the segmentation studies, synthetic data in the same
//! formats, augmentation, stain normalisation, morphology after prediction, and measures.
//!
//! Images are `[channel, y, x]`, masks `[y, x]` of class indices.

mod annotated;
pub mod augment;
pub mod components;
mod distance;
mod error;
mod exponential;
pub mod fit;
pub mod mask;
pub mod measure;
pub mod morphology;
mod problem;
mod quantile;
mod resize;
pub mod stain;

pub use annotated::AnnotatedImage;
pub use error::{Error, Result};
pub use problem::Problem;
pub use resize::{resize, resize_image, resize_mask};
