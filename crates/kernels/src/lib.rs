#![doc = include_str!("../README.md")]
//!
//! # Map of the crate
//!
//! Models call `functions` and [`layer`]. `backend` is the trait behind them. It is implemented in `flex`
//! (the kernels), `autodiff` (the backward steps), `fallback` (Burn's own operations) and `gpu` (CubeCL kernels for
//! CUDA and WGPU; `gradients` for convolutions in groups). The kernels in `conv`, `norm`, `pool`, `concat`, `recurrent` and `softmax` do
//! not depend on Burn. They use `simd` (instruction sets), `memory` (buffers) and `share` (writing from
//! several threads), which hold the unsafe code.
//! `precision` rounds what a convolution multiplies. [`peak`] measures the processor.

mod activation;
pub mod adam;
mod ahead;
mod autodiff;
mod backend;
mod concat;
mod conv;
mod fallback;
mod flex;
mod functions;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod gpu;
#[cfg(any(test, feature = "cuda", feature = "wgpu"))]
mod gradients;
pub mod layer;
mod memory;
mod norm;
pub mod peak;
mod pool;
mod precision;
mod recurrent;
#[cfg(test)]
mod reference;
mod share;
mod simd;
mod softmax;
mod tiles;

pub use activation::Activation;
pub use backend::{AutodiffBackend, Backend, Normalized};
pub use functions::{
    BatchNormOutput, Finish, batch_norm, batch_norm_inference, combine, concat_channels, conv_transpose2d,
    conv2d, conv2d_finished, conv2d_onto, cross_entropy, gated_change, group_norm, log_softmax_channels,
    max_pool2x2, max_pool3x3, relu, silu, upsample2x,
};
pub use norm::{NormOptions, Statistics};
pub use precision::{Precision, with_precision};
pub use simd::Level;
