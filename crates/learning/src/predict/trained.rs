//! A trained network on a device. No other file of `predict` uses Burn.

use std::fmt::Debug;
use std::path::Path;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use ndarray::{Array3, ArrayView3};
use porecast_base::Result;
use porecast_kernels::log_softmax_channels;
use porecast_store::config::model::ModelConfig;
use porecast_store::config::train::Head;
use porecast_store::weights;

use crate::device::{self, Device, on_device};
use crate::model::ops::{Kernels, TrainBackend};
use crate::model::{Ends, Features, Network};
use crate::task::invading_probability;
use crate::workers::on_worker;

/// A trained network.
pub(super) trait Trained: Debug + Send + Sync {
    /// Computes everything that does not depend on time.
    ///
    /// # Shapes
    /// `image` `[channel, y, x]`; `physics` scaled as in the training, empty where the network is not told any.
    fn encode(&self, image: ArrayView3<'_, f32>, physics: &[f32]) -> Box<dyn Encoded + '_>;

    /// Largest number of pixels times frames to decode at once.
    fn decoded_at_once(&self) -> usize;
}

/// An image that a network has encoded.
pub(super) trait Encoded {
    /// Probability of the invading phase at times scaled as in the training.
    ///
    /// # Shapes
    /// `[time, y, x]`.
    ///
    /// # Errors
    /// The device has failed, most often because its memory is full.
    fn invading(&self, head: Head, times: &[f32]) -> Result<Array3<f32>>;

    /// Probability of each class; the sigmoid of a single output.
    ///
    /// # Shapes
    /// `[output, y, x]`.
    ///
    /// # Errors
    /// As [`invading`](Self::invading).
    fn classes(self: Box<Self>) -> Result<Array3<f32>>;
}

/// Reads the weights of a network onto a device.
///
/// # Errors
/// The file is missing or broken, or belongs to another architecture.
pub(super) fn load(path: &Path, model: &ModelConfig, ends: Ends, device: Device) -> Result<Box<dyn Trained>> {
    place(weights::read_network(path)?, path, model, ends, device)
}

/// Places the bytes of a weight file on a device; `path` names the file in errors.
///
/// # Errors
/// The bytes are damaged or belong to another architecture.
pub(super) fn place(
    bytes: Vec<u8>,
    path: &Path,
    model: &ModelConfig,
    ends: Ends,
    device: Device,
) -> Result<Box<dyn Trained>> {
    on_device!(device, place_on(bytes, path, model, ends))
}

fn place_on<B: TrainBackend>(
    device: &B::Device,
    bytes: Vec<u8>,
    path: &Path,
    model: &ModelConfig,
    ends: Ends,
) -> Result<Box<dyn Trained>> {
    let network = Network::<B::InnerBackend>::undrawn(model, ends, device);
    Ok(Box::new(OnDevice { network: network.with_weights(bytes, path)?, device: device.clone() }))
}

#[derive(Debug)]
struct OnDevice<B: Kernels> {
    network: Network<B>,
    device: B::Device,
}

struct EncodedOnDevice<'a, B: Kernels> {
    of: &'a OnDevice<B>,
    features: Features<B>,
}

impl<B: Kernels> Trained for OnDevice<B> {
    fn encode(&self, image: ArrayView3<'_, f32>, physics: &[f32]) -> Box<dyn Encoded + '_> {
        let (channels, height, width) = image.dim();
        let data = TensorData::new(image.iter().copied().collect(), [1, channels, height, width]);
        let told = || TensorData::new(physics.to_vec(), [1, physics.len()]);
        let told = (!physics.is_empty()).then(|| Tensor::from_data(told(), &self.device));
        let features = on_worker::<B, _>(|| self.network.encode(Tensor::from_data(data, &self.device), told));
        Box::new(EncodedOnDevice { of: self, features })
    }

    fn decoded_at_once(&self) -> usize {
        // On a GPU about half a gigabyte, a whole sequence of 512 x 128 pixels; on a CPU what its caches hold in part.
        if B::PREFERS_FEW_OPERATIONS { 2048 * 1024 } else { 512 * 512 }
    }
}

impl<B: Kernels> Encoded for EncodedOnDevice<'_, B> {
    fn invading(&self, head: Head, times: &[f32]) -> Result<Array3<f32>> {
        let OnDevice { network, device } = self.of;
        let features = self.features.clone();
        planes(on_worker::<B, _>(|| {
            let times = Tensor::<B, 1>::from_data(TensorData::from(times), device);
            invading_probability(head, network.decode(features, times))
        }))
    }

    fn classes(self: Box<Self>) -> Result<Array3<f32>> {
        let OnDevice { network, device } = self.of;
        planes(on_worker::<B, _>(|| {
            let logits = network.decode(self.features, Tensor::zeros([1], device));
            match logits.dims()[1] {
                1 => sigmoid(logits),
                _ => log_softmax_channels(logits).exp(),
            }
        }))
    }
}

/// Copies `[n, channel, y, x]` from the device, as planes `[n * channel, y, x]`.
fn planes<B: Kernels>(tensor: Tensor<B, 4>) -> Result<Array3<f32>> {
    let [n, channels, height, width] = tensor.dims();
    let values = device::read(tensor, |_| "choose a smaller --tile, or use cpu".to_owned())?;
    let values = values.iter::<f32>().collect();
    Ok(Array3::from_shape_vec((n * channels, height, width), values).expect("one value for each pixel"))
}
