//! A state that is stepped through time: the same layers take the front from knot to knot.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Tensor, backend::Backend};
use porecast_kernels::{combine, gated_change, relu, upsample2x};

use super::crop;
use super::ends::{Recurrent, interpolate};
use super::ops::{Conv, ConvShape, Kernels, Norm, max_pool};
use porecast_store::config::model::NormKind;

/// Level of the UNet at which the state lives: a quarter of the resolution.
pub(super) const LEVEL: usize = 2;

/// Features of full resolution that each pixel combines.
const FEATURES: usize = 8;

/// A recurrent network on the features of a UNet.
///
/// A state of a quarter of the resolution begins with the UNet's features and is stepped from knot to knot by a gated
/// unit that looks at three scales. Coefficients read from the state combine the UNet's features of full resolution into
/// logits, pixel by pixel. Logits are linear in the coefficients, so these are interpolated between knots.
///
/// # References
/// Tang, Liu & Durlofsky (2020), a recurrent R-U-Net for dynamic subsurface flow; Ballas et al. (2016) for convolutional
/// gated units.
#[derive(Module, Debug)]
pub struct Recurrence<B: Backend> {
    begin: Conv<B>,
    fixed: Conv<B>,
    physics: Option<Linear<B>>,
    enter: Conv<B>,
    near: Conv<B>,
    far: Conv<B>,
    farther: Conv<B>,
    norm: Norm<B>,
    change: Conv<B>,
    features: Conv<B>,
    coefficients: Conv<B>,
    channels: usize,
    outputs: usize,
    knots: usize,
    length: usize,
    is_across: bool,
}

/// Result of [`Recurrence::run`].
#[derive(Debug, Clone)]
pub struct Course<B: Backend> {
    /// `[domains, knots * outputs * features, height / 4, width / 4]`.
    pub(super) coefficients: Tensor<B, 4>,
    /// `[domains, features, height, width]`.
    pub(super) features: Tensor<B, 4>,
    /// Height and width before padding.
    pub(super) size: [usize; 2],
}

impl<B: Kernels> Recurrence<B> {
    /// A recurrent network from `coarse` and `fine` channels of a UNet, told embeddings of width `told`.
    pub fn init(
        recurrent: Recurrent,
        [coarse, fine]: [usize; 2],
        told: Option<usize>,
        outputs: usize,
        device: &B::Device,
    ) -> Self {
        let Recurrent { knots, channels, length, is_across } = recurrent;
        let point = |from, to| Conv::init(from, to, 1, device);
        let bare =
            |kernel, to| ConvShape { has_bias: false, ..ConvShape::new(channels, to, kernel) }.init(device);
        let around = || Conv::init(channels, channels, 3, device);
        Self {
            begin: point(coarse, channels),
            fixed: point(coarse, 3 * channels),
            physics: told.map(|told| LinearConfig::new(told, channels).init(device)),
            enter: bare(1, channels),
            near: bare(3, channels),
            far: around(),
            farther: around(),
            norm: Norm::init(NormKind::Group, channels, device),
            change: bare(1, 2 * channels),
            features: point(fine, FEATURES),
            coefficients: point(channels, outputs * FEATURES),
            channels,
            outputs,
            knots,
            length,
            is_across,
        }
    }

    /// Knots of domains of a height and width in pixels: longer domains take more steps, so that the front advances as
    /// many pixels in a step as in the training.
    fn knots_of(&self, [height, width]: [usize; 2]) -> usize {
        let length = if self.is_across { width } else { height };
        let steps = (self.knots - 1) as f64 * length as f64 / self.length as f64;
        1 + (steps.round() as usize).max(1)
    }

    /// Steps the state through all knots.
    ///
    /// # Shapes
    /// `coarse` and `fine` are the UNet's features of a quarter of the resolution and of full resolution, `told`
    /// `[domains, width]`; `size` is that of the domain before padding.
    pub fn run(
        &self,
        coarse: Tensor<B, 4>,
        fine: Tensor<B, 4>,
        told: Option<Tensor<B, 2>>,
        size: [usize; 2],
    ) -> Course<B> {
        let [mut entering, changing] = self.fixed.forward_split(coarse.clone(), self.channels);
        if let Some((linear, told)) = self.physics.as_ref().zip(told) {
            let told = linear.forward(told);
            let [domains, channels] = told.dims();
            entering = entering + told.reshape([domains, channels, 1, 1]);
        }
        let mut state = self.begin.forward(coarse).tanh();
        let coefficients = (0..self.knots_of(size)).map(|_| {
            state = self.step(state.clone(), entering.clone(), changing.clone());
            self.coefficients.forward(state.clone())
        });
        let coefficients = Tensor::cat(coefficients.collect(), 1);
        Course { coefficients, features: self.features.forward(fine), size }
    }

    /// The state at the next knot. `entering` and `changing` depend on the domain only; they are added in the layers before
    /// and after the three scales.
    fn step(&self, state: Tensor<B, 4>, entering: Tensor<B, 4>, changing: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = self.enter.forward_onto(state.clone(), entering);
        let near = relu(self.near.forward_onto(x.clone(), x));
        let far = relu(self.far.forward(max_pool(near.clone())));
        let farther = relu(self.farther.forward(max_pool(far.clone())));
        let x = near + upsample2x(far + upsample2x(farther));
        gated_change(state, self.change.forward_onto(self.norm.forward(x), changing))
    }

    /// Logits at `times` `[domains * k]`: `[domains * k, outputs, height, width]`.
    pub fn read(&self, course: Course<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        let Course { coefficients, features, size } = course;
        let knots = coefficients.dims()[1] / (self.outputs * FEATURES);
        crop(combine(interpolate(coefficients, knots, times), features), size)
    }
}
