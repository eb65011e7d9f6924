//! Annotated images, without any network: the on-disk formats of the segmentation studies, synthetic data in the same
//! formats, augmentation, stain normalisation, morphology after prediction, and measures.
//!
//! Images are `[channel, y, x]`, masks `[y, x]` of class indices.

mod annotated;
mod atomic;
mod background;
mod error;
pub mod format;
mod polygon;
mod resize;
pub mod split;
pub mod synth;
mod warning;

pub use annotated::AnnotatedImage;
pub use background::Background;
pub use error::{Error, Result};
pub use resize::{resize, resize_image, resize_mask};
pub use warning::Warning;
