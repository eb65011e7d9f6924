//! Datasets are made here: of simulations ([`campaign`]), of published sequences ([`import`]) and of the files of a
//! segmentation study ([`prepare`]; [`synth`] writes synthetic ones). [`inspect`] shows what is in a file.

pub mod campaign;
pub mod import;
pub mod inspect;
pub mod prepare;
pub mod synth;
