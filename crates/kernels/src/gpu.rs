//! The operations on a GPU: Burn's own, except for convolutions that are slow there.

use burn::tensor::TensorMetadata;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor, ModuleOps};
use burn_cubecl::kernel::conv::{ConvStrategy, conv_forward};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};

use crate::backend::Backend;
use crate::fallback::{primitive, tensor};
use crate::gradients;

/// Smallest number of input and output channels for which a convolution is computed as a matrix product, in
/// TF32 like all matrix products.
const PRODUCT: usize = 8;

impl<R: CubeRuntime, BT: BoolElement> Backend for CubeBackend<R, f32, i32, BT> {
    fn convolve2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let [out_channels, in_channels, _, _] = weight.shape().dims();
        if options.groups == 1 && in_channels.min(out_channels) >= PRODUCT {
            let strategy = ConvStrategy::ImplicitGemm;
            let found = conv_forward(x.clone(), weight.clone(), bias.clone(), options.clone(), strategy);
            if let Ok(found) = found {
                return found;
            }
        }
        Self::conv2d(x, weight, bias, options)
    }

    fn convolve2d_input_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        match gradients::input_gradient::<Self>(tensor(weight.clone()), &options) {
            Some((turned, own)) => Self::convolve2d(out_gradient, primitive(turned), None, own),
            None => Self::conv2d_x_backward(x, weight, out_gradient, options),
        }
    }

    fn convolve2d_weight_gradient(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let shape = weight.shape().dims();
        primitive(gradients::weight_gradient::<Self>(tensor(x), shape, tensor(out_gradient), &options))
    }

    fn convolve_transposed2d_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        out_gradient: FloatTensor<Self>,
        options: ConvTransposeOptions<2>,
        wanted: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        let shape = weight.shape().dims();
        let for_x = wanted[0]
            .then(|| Self::conv_transpose2d_x_backward(weight, out_gradient.clone(), options.clone()));
        // The gradient of the corresponding forward convolution.
        let ConvTransposeOptions { stride, padding, dilation, groups, .. } = options;
        let options = ConvOptions::new(stride, padding, dilation, groups);
        let for_weight = wanted[1].then(|| {
            primitive(gradients::weight_gradient::<Self>(tensor(out_gradient), shape, tensor(x), &options))
        });
        [for_x, for_weight]
    }
}
