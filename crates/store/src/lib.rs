//! Configuration and file formats of porecast.

pub mod benchmark;
pub mod card;
pub mod checkpoint;
pub mod config;
pub mod dataset;
pub mod document;
pub mod domain_split;
pub mod dynamics;
pub mod export;
pub mod grey_image;
mod h5;
pub mod image;
pub mod image_split;
pub mod invasion;
pub mod journal;
pub mod listing;
pub mod mask_prediction;
pub mod npz;
pub mod physics;
mod pickle;
pub mod picture;
pub mod prediction;
pub mod run;
pub mod segmentation;
pub mod table;
pub mod weights;

pub use dataset::{Dataset, MissingPredictions, Predictions, Serializable, Task};
pub use dynamics::{Dynamics, LatticeRecord, Recorded};
pub use grey_image::GreyImage;
pub use invasion::InvasionDataset;
pub use mask_prediction::{MaskFile, MaskPrediction};
pub use physics::{Physics, Quantity, QuantityScale};
pub use prediction::{Prediction, PredictionFile};
pub use run::RunFolder;
pub use segmentation::SegmentationDataset;
