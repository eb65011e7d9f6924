//! Image-classification encoders, which can take pretrained weights.

pub mod efficientnet;
pub mod resnet;

use std::path::Path;

use burn::module::{Module, ParamId};
use burn::store::{ModuleSnapshot, TensorSnapshot};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use self::efficientnet::EfficientNet;
use self::resnet::Resnet;
use super::ops::Kernels;
use porecast_base::{Error, Result};
use porecast_store::config::model::EncoderKind;
use porecast_store::weights::Weights;

/// An encoder other than the UNet's own blocks.
#[derive(Module, Debug)]
pub enum Encoder<B: Backend> {
    /// ResNet.
    Resnet(Resnet<B>),
    /// EfficientNet.
    EfficientNet(EfficientNet<B>),
}

/// The library of a weight file, which determines the names of its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// `torchvision.models`
    Torchvision,
    /// `timm`
    Timm,
}

impl<B: Kernels> Encoder<B> {
    /// An encoder with fresh weights; `None` for the UNet's own blocks. Stochastic depth drops the
    /// last residual block with probability `left_out`, the others in proportion to their depth.
    pub fn init(kind: EncoderKind, inputs: usize, left_out: f64, device: &B::Device) -> Option<Self> {
        use EncoderKind as Kind;
        match kind {
            Kind::Plain => None,
            Kind::Resnet18 | Kind::Resnet34 | Kind::Resnet50 => {
                Some(Self::Resnet(Resnet::init(kind, inputs, left_out, device)))
            }
            Kind::EfficientnetB0 | Kind::EfficientnetB1 | Kind::EfficientnetB2 | Kind::EfficientnetB3 => {
                Some(Self::EfficientNet(EfficientNet::init(kind, inputs, left_out, device)))
            }
        }
    }

    /// Features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution, with the channels of
    /// [`EncoderKind::channels`].
    ///
    /// # Shapes
    /// `input` `[n, inputs, h, w]`, h and w multiples of 32.
    pub fn forward(&self, input: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        match self {
            Self::Resnet(resnet) => resnet.forward(input),
            Self::EfficientNet(efficientnet) => efficientnet.forward(input),
        }
    }

    /// The encoder with weights of torchvision or timm, running statistics included. The classifier
    /// is ignored; [`adapt_first_layer`] fits the first layer to the input channels. `path` names
    /// the file in errors.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or is unknown.
    pub fn place(mut self, mut weights: Weights, path: &Path) -> Result<Self> {
        let library = self.library(&weights).ok_or_else(|| {
            let names: Vec<_> = weights.keys().take(3).map(String::as_str).collect();
            let stems = self.stems().map(|(_, stem)| stem).join(" or ");
            let found = names.join(", ");
            Error::input(
                path,
                format!(
                    "has no tensor {stems}: it is no {} of torchvision or timm (it holds {found}, ...)",
                    self.word()
                ),
            )
        })?;
        let stem = self.stems().into_iter().find(|(of, _)| *of == library).map(|(_, stem)| stem);
        let mut placed = Vec::new();
        for own in self.collect(None, None, false) {
            let own_path = own.full_path();
            let name = self.name(&own_path, library);
            let expected = own.shape.to_vec();
            let data = weights.remove(&name).ok_or_else(|| {
                Error::input(
                    path,
                    format!(
                        "lacks tensor {name} of shape {expected:?}; it is of another size of {}",
                        self.word()
                    ),
                )
            })?;
            let data = TensorData::new(data.values, data.shape);
            let data = if Some(name.as_str()) == stem { adapt_first_layer(data, expected[1]) } else { data };
            if data.shape.to_vec() != expected {
                return Err(Error::input(
                    path,
                    format!(
                        "tensor {name} has shape {:?}, the configured {} needs {expected:?}; set \
                         model.unet.encoder.kind to the encoder of the file",
                        data.shape.to_vec(),
                        self.word(),
                    ),
                ));
            }
            let steps = own_path.split('.').map(str::to_owned).collect();
            placed.push(TensorSnapshot::from_data(data, steps, Vec::new(), ParamId::new()));
        }
        if let Some(name) = weights.keys().find(|name| !is_classifier(name)) {
            return Err(Error::input(
                path,
                format!(
                    "holds tensor {name}, which the configured {} does not have; set model.unet.encoder.kind to \
                     the encoder of the file",
                    self.word()
                ),
            ));
        }
        let applied = self.apply(placed, None, None, false);
        match (applied.errors.first(), applied.missing.first()) {
            (Some(error), _) => Err(Error::input(path, error.to_string())),
            (_, Some((tensor, _))) => Err(Error::input(path, format!("lacks weights for {tensor}"))),
            (None, None) => Ok(self),
        }
    }

    /// Name in a weight file of the parameter at `path` in this module.
    fn name(&self, path: &str, library: Library) -> String {
        let steps: Vec<_> = path.split('.').collect();
        let name = match (self, steps.as_slice()) {
            (Self::Resnet(_), [_, rest @ ..]) => resnet::name(rest, library),
            (Self::EfficientNet(_), [_, rest @ ..]) => efficientnet::name(rest, library),
            _ => None,
        };
        name.expect("every parameter of an encoder has a name in the libraries")
    }

    fn library(&self, weights: &Weights) -> Option<Library> {
        self.stems().into_iter().find(|(_, stem)| weights.contains_key(*stem)).map(|(library, _)| library)
    }

    /// Name of the first layer's weights in each library.
    fn stems(&self) -> [(Library, &'static str); 2] {
        match self {
            Self::Resnet(_) => [Library::Torchvision, Library::Timm].map(|library| (library, "conv1.weight")),
            Self::EfficientNet(_) => {
                [(Library::Torchvision, "features.0.0.weight"), (Library::Timm, "conv_stem.weight")]
            }
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Resnet(_) => "ResNet",
            Self::EfficientNet(_) => "EfficientNet",
        }
    }
}

/// Converts the first layer's weights from three channels to `inputs` channels. Their sum over the
/// channels stays the same, so an image with equal channels gives the same features.
///
/// With more than three channels, the first three keep their weights and each further one gets the
/// mean of the three, all times 3 / `inputs`. With fewer, each gets the sum of the three divided by
/// `inputs`.
///
/// # Shapes
/// `[outputs, 3, kernel, kernel]` to `[outputs, inputs, kernel, kernel]`; other shapes are returned
/// unchanged.
pub fn adapt_first_layer(data: TensorData, inputs: usize) -> TensorData {
    let shape = data.shape.to_vec();
    let [outputs, 3, height, width] = shape[..] else { return data };
    if inputs == 3 {
        return data;
    }
    let values: Vec<f32> = data.iter().collect();
    let area = height * width;
    let mut adapted = Vec::with_capacity(outputs * inputs * area);
    for filter in values.chunks_exact(3 * area) {
        for channel in 0..inputs {
            adapted.extend((0..area).map(|i| {
                let mean = (filter[i] + filter[area + i] + filter[2 * area + i]) / 3.0;
                let own = if inputs > 3 && channel < 3 { filter[channel * area + i] } else { mean };
                own * 3.0 / inputs as f32
            }));
        }
    }
    TensorData::new(adapted, [outputs, inputs, height, width])
}

/// Whether a tensor belongs to the classifier.
fn is_classifier(name: &str) -> bool {
    // The bn2 of a ResNet is inside a block, so its name does not start with bn2.
    ["fc.", "classifier.", "conv_head.", "bn2.", "features.8."].iter().any(|part| name.starts_with(part))
}

/// The part of a [`ConvNorm`](super::ops::ConvNorm) that a parameter belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Convolution,
    Norm,
}

impl Layer {
    fn choose<'a>(self, convolution: &'a str, norm: &'a str) -> &'a str {
        match self {
            Self::Convolution => convolution,
            Self::Norm => norm,
        }
    }

    fn short(self) -> &'static str {
        self.choose("conv", "bn")
    }

    fn index(self) -> &'static str {
        self.choose("0", "1")
    }
}

/// Layer and name in PyTorch of a parameter of a [`ConvNorm`](super::ops::ConvNorm).
fn parameter(path: &[&str]) -> Option<(Layer, &'static str)> {
    match path {
        ["conv", "inner", "weight"] => Some((Layer::Convolution, "weight")),
        ["norm", "Batch", value] => {
            let value = match *value {
                "gamma" => "weight",
                "beta" => "bias",
                "running_mean" => "running_mean",
                "running_var" => "running_var",
                _ => return None,
            };
            Some((Layer::Norm, value))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use porecast_store::weights::WeightTensor;

    /// The formula of `tests/fixtures/encoders/make.py`.
    fn noise(name: &str, count: usize) -> impl Iterator<Item = f64> {
        let seed = name
            .bytes()
            .fold(0x811c_9dc5_u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        (0..count).map(move |i| {
            let mut x = (i as u32).wrapping_mul(0x9e37_79b9).wrapping_add(seed);
            for (shift, factor) in [(16, 0x7feb_352d), (15, 0x846c_a68b)] {
                x = (x ^ (x >> shift)).wrapping_mul(factor);
            }
            f64::from(x ^ (x >> 16)) / f64::from(1u32 << 31) - 1.0
        })
    }

    fn fill(name: &str, shape: &[usize]) -> WeightTensor {
        let u = noise(name, shape.iter().product());
        let values: Vec<f32> = if name.ends_with("running_var") {
            u.map(|u| (1.0 + 0.5 * u) as f32).collect()
        } else if shape.len() > 1 {
            let scale = (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
            u.map(|u| (u * scale) as f32).collect()
        } else if name.ends_with("weight") {
            u.map(|u| (1.0 + 0.3 * u) as f32).collect()
        } else {
            u.map(|u| (0.2 * u) as f32).collect()
        };
        WeightTensor { shape: shape.to_vec(), values }
    }

    const KINDS: [(&str, EncoderKind); 7] = [
        ("resnet18", EncoderKind::Resnet18),
        ("resnet34", EncoderKind::Resnet34),
        ("resnet50", EncoderKind::Resnet50),
        ("efficientnet_b0", EncoderKind::EfficientnetB0),
        ("efficientnet_b1", EncoderKind::EfficientnetB1),
        ("efficientnet_b2", EncoderKind::EfficientnetB2),
        ("efficientnet_b3", EncoderKind::EfficientnetB3),
    ];

    fn encoder(kind: EncoderKind, inputs: usize) -> Encoder<Flex> {
        Encoder::init(kind, inputs, 0.0, &Default::default()).expect("not the UNet's own blocks")
    }

    /// A weight file of a library, filled by the formula.
    fn library_file(encoder: &Encoder<Flex>, library: Library) -> Weights {
        let own = encoder.collect(None, None, false).into_iter().map(|own| {
            let name = encoder.name(&own.full_path(), library);
            let mut shape = own.shape.to_vec();
            if encoder.stems().iter().any(|(_, stem)| *stem == name) {
                shape[1] = 3;
            }
            let data = fill(&name, &shape);
            (name, data)
        });
        own.chain([("classifier.weight".to_owned(), fill("classifier.weight", &[2, 2]))]).collect()
    }

    fn filled(kind: EncoderKind, inputs: usize, library: Library) -> Encoder<Flex> {
        let encoder = encoder(kind, inputs);
        let file = library_file(&encoder, library);
        encoder.place(file, Path::new("filled")).expect("every tensor has its place")
    }

    #[test]
    fn activations_agree_with_torchvision_and_timm() {
        let expected: serde_json::Value =
            serde_json::from_str(include_str!("../../../../../tests/fixtures/encoders/activations.json"))
                .expect("valid JSON");
        let input: Vec<f32> = noise("input", 3 * 64 * 96).map(|u| u as f32).collect();
        let input = Tensor::<Flex, 4>::from_data(TensorData::new(input, [1, 3, 64, 96]), &Default::default());
        for (name, kind) in KINDS {
            for (word, library) in [("torchvision", Library::Torchvision), ("timm", Library::Timm)] {
                let features = filled(kind, 3, library).forward(input.clone());
                let expected = expected[format!("{name} {word}")].as_array().expect("a list");
                assert_eq!(features.len(), expected.len());
                for (level, (feature, expected)) in features.into_iter().zip(expected).enumerate() {
                    let place = format!("{name} of {word}, level {level}");
                    assert_eq!(Some(feature.dims()[1]), kind.channels().map(|channels| channels[level]));
                    assert_eq!(serde_json::json!(feature.dims()), expected["shape"], "{place}");
                    let values: Vec<f64> = feature.into_data().iter::<f64>().collect();
                    let close = |found: f64, expected: &serde_json::Value, what: &str| {
                        let expected = expected.as_f64().expect("a number");
                        let tolerance = 1e-4 * expected.abs().max(1.0);
                        assert!(
                            (found - expected).abs() < tolerance,
                            "{place}: {what} {found} for {expected}"
                        );
                    };
                    let mean =
                        |f: fn(f64) -> f64| values.iter().map(|v| f(*v)).sum::<f64>() / values.len() as f64;
                    close(mean(|v| v), &expected["mean"], "mean");
                    close(mean(f64::abs), &expected["mean_absolute"], "mean of absolute values");
                    for pair in expected["values"].as_array().expect("a list") {
                        let index = pair[0].as_u64().expect("an index") as usize;
                        close(values[index], &pair[1], &format!("value {index}"));
                    }
                }
            }
        }
    }

    #[test]
    fn a_file_that_does_not_fit_is_refused_with_key_file_and_shapes() {
        let small = encoder(EncoderKind::Resnet18, 3);
        let refuse = |change: &dyn Fn(&mut Weights)| {
            let mut file = library_file(&small, Library::Timm);
            change(&mut file);
            small.clone().place(file, Path::new("some.pth")).expect_err("it does not fit").to_string()
        };
        let holds = |error: String, words: &[&str]| {
            for word in words.iter().chain(&["some.pth"]) {
                assert!(error.contains(word), "{word} missing in {error:?}");
            }
        };
        let tensor = "layer2.0.bn1.running_var";
        holds(refuse(&|file| drop(file.remove(tensor))), &[tensor, "[128]", "lacks"]);
        let other = fill(tensor, &[64]);
        holds(refuse(&|file| drop(file.insert(tensor.into(), other.clone()))), &[tensor, "[64]", "[128]"]);
        holds(
            refuse(&|file| drop(file.insert("layer3.2.bn1.weight".into(), other.clone()))),
            &["layer3.2.bn1.weight"],
        );
        holds(refuse(&|file| file.clear()), &["conv1.weight"]);

        // A ResNet34 has every tensor of a ResNet18.
        let file = library_file(&encoder(EncoderKind::Resnet34, 3), Library::Timm);
        holds(
            small.clone().place(file, Path::new("some.pth")).expect_err("larger").to_string(),
            &["layer1.2."],
        );
    }

    #[test]
    fn equal_channels_give_the_same_features_in_any_number() {
        let grey: Vec<f32> = noise("input", 32 * 32).map(|u| u as f32).collect();
        let grey = Tensor::<Flex, 4>::from_data(TensorData::new(grey, [1, 1, 32, 32]), &Default::default());
        for kind in [EncoderKind::Resnet18, EncoderKind::EfficientnetB0] {
            let features = |inputs: usize| {
                let features =
                    filled(kind, inputs, Library::Torchvision).forward(grey.clone().repeat_dim(1, inputs));
                features.into_iter().last().expect("five levels")
            };
            let of_colour = features(3);
            for inputs in [1, 2, 4] {
                let worst = (features(inputs) - of_colour.clone()).abs().max().into_scalar();
                assert!(worst < 1e-4, "{kind:?} with {inputs} channels: {worst}");
            }
        }
    }

    #[test]
    fn a_fourth_channel_leaves_the_colours_apart() {
        let adapted = adapt_first_layer(TensorData::new(vec![1f32, 2.0, 6.0], [1, 3, 1, 1]), 4);
        assert_eq!(adapted.to_vec::<f32>().expect("floats"), [0.75, 1.5, 4.5, 2.25]);
    }

    #[test]
    fn a_file_on_disk_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("resnet18.safetensors");
        let blank = encoder(EncoderKind::Resnet18, 1);
        let file = library_file(&blank, Library::Torchvision);
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = file
            .iter()
            .map(|(name, tensor)| {
                let bytes = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
                (name.clone(), tensor.shape.clone(), bytes)
            })
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
            (name.as_str(), view.expect("a tensor"))
        });
        let bytes = safetensors::serialize(views, None).expect("tensors");
        std::fs::write(&path, bytes).expect("a file");
        let weights = porecast_store::weights::read(&path).expect("a weight file");
        let loaded = blank.place(weights, &path).expect("it fits");
        let expected = filled(EncoderKind::Resnet18, 1, Library::Torchvision);
        for (loaded, expected) in
            loaded.collect(None, None, false).iter().zip(expected.collect(None, None, false))
        {
            let (loaded, expected) = (loaded.to_data().expect("data"), expected.to_data().expect("data"));
            assert_eq!(loaded, expected);
        }
    }
}
