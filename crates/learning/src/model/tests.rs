//! Networks of every kind: shapes, gradients, what they are told, resuming.

use super::ends::Recurrent;
use super::*;
use crate::loss::Objective;
use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::{Distribution, FloatDType};
use porecast_store::config::loss::LossConfig;
use porecast_store::config::model::{
    ActivationKind, AttentionConfig, ContextConfig, ContextKind, EncoderConfig, EncoderKind, GlobalConfig,
    NormKind, Positional, Skips, TimeConfig, TimeMode, TimePlace, UnetConfig, Upsampling, VitConfig,
};
use porecast_store::config::train::Head;

type Ad = Autodiff<Flex>;

/// Reseeds Flex's generator, which all threads share, and locks the other tests out meanwhile.
fn seeded() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let alone = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    <Flex as Backend>::seed(&Default::default(), 7);
    alone
}

/// A small network of every kind.
fn variants() -> Vec<(&'static str, ModelConfig)> {
    let unet = UnetConfig { base_channels: 4, levels: 2, ..UnetConfig::default() };
    let time = |enters: &[TimePlace], mode| TimeConfig { enters: enters.to_vec(), mode, channels: 8 };
    let base = ModelConfig {
        unet,
        time: time(&[TimePlace::Bottleneck, TimePlace::Decoder], TimeMode::ScaleAndShift),
        vit: VitConfig { patch: 4, width: 16, depth: 2, heads: 2 },
        ..ModelConfig::default()
    };
    let change = |change: &dyn Fn(&mut ModelConfig)| {
        let mut config = base.clone();
        change(&mut config);
        config
    };
    let attention = AttentionConfig { enabled: true, heads: 2, positional: Positional::Sinusoidal };
    vec![
        ("base", base.clone()),
        ("decoder", change(&|c| c.time = time(&[TimePlace::Decoder], TimeMode::Add))),
        ("encoder", change(&|c| c.time = time(&[TimePlace::Encoder], TimeMode::Add))),
        (
            "everywhere",
            change(&|c| {
                c.time = time(
                    &[TimePlace::Encoder, TimePlace::Bottleneck, TimePlace::Decoder],
                    TimeMode::ScaleAndShift,
                );
            }),
        ),
        ("attention", change(&|c| c.unet.attention = attention.clone())),
        (
            "group norm, nearest",
            change(&|c| {
                c.unet.norm = NormKind::Group;
                c.unet.upsampling = Upsampling::Nearest;
            }),
        ),
        ("vit", change(&|c| c.architecture = Architecture::Vit)),
        (
            "added skips, residual, silu",
            change(&|c| {
                c.unet.skips = Skips::Add;
                c.unet.residual = true;
                c.unet.activation = ActivationKind::Silu;
            }),
        ),
        (
            "multiplied skips, stochastic depth, mish",
            change(&|c| {
                c.unet.skips = Skips::Multiply;
                c.unet.residual = true;
                c.unet.stochastic_depth = 0.1;
                c.unet.activation = ActivationKind::Mish;
            }),
        ),
        (
            "atrous, leaky, residual",
            change(&|c| {
                c.unet.context = ContextConfig { kind: ContextKind::Atrous, dilations: vec![1, 2] };
                c.unet.activation = ActivationKind::LeakyRelu;
                c.unet.residual = true;
            }),
        ),
        (
            "pyramid, nearest, group norm, deep supervision",
            change(&|c| {
                c.unet.context = ContextConfig { kind: ContextKind::Aspp, dilations: vec![1, 3] };
                c.unet.upsampling = Upsampling::Nearest;
                c.unet.norm = NormKind::Group;
                c.unet.deep_supervision = 1;
            }),
        ),
        ("global branch", change(&|c| c.unet.global = GlobalConfig { enabled: true, depth: 1, heads: 2 })),
        (
            "global branch, time in the encoder",
            change(&|c| {
                c.unet.global = GlobalConfig { enabled: true, depth: 1, heads: 2 };
                c.time = time(&[TimePlace::Encoder, TimePlace::Decoder], TimeMode::Add);
            }),
        ),
    ]
}

/// Networks with a ResNet or EfficientNet encoder.
fn on_encoders() -> Vec<(&'static str, ModelConfig)> {
    let unet = UnetConfig {
        base_channels: 4,
        levels: EncoderKind::LEVELS,
        upsampling: Upsampling::Nearest,
        ..UnetConfig::default()
    };
    let time = TimeConfig { enters: vec![TimePlace::Decoder], mode: TimeMode::Add, channels: 8 };
    let base = ModelConfig { unet, time, ..ModelConfig::default() };
    let with = |kind, change: &dyn Fn(&mut UnetConfig)| {
        let mut config = base.clone();
        config.unet.encoder = EncoderConfig { kind, weights: None };
        change(&mut config.unet);
        config
    };
    vec![
        ("resnet18", with(EncoderKind::Resnet18, &|unet| unet.deep_supervision = 2)),
        (
            "efficientnet-b0",
            with(EncoderKind::EfficientnetB0, &|unet| {
                unet.skips = Skips::Add;
                unet.stochastic_depth = 0.1;
                unet.global = GlobalConfig { enabled: true, depth: 1, heads: 2 };
            }),
        ),
    ]
}

fn ends(inputs: usize, outputs: usize, takes_time: bool) -> Ends {
    Ends { takes_time, ..Ends::new(inputs, outputs) }
}

/// A recurrent network for domains of 32 pixels from top to bottom.
fn recurrent() -> (ModelConfig, Ends) {
    let unet = UnetConfig { base_channels: 4, levels: 4, ..UnetConfig::default() };
    let config = ModelConfig { unet, ..ModelConfig::default() };
    let recurrent = Recurrent { knots: 3, channels: 8, length: 32, is_across: false };
    (config, Ends { physics: 2, recurrent: Some(recurrent), ..ends(1, 3, false) })
}

fn random<B: Backend, const D: usize>(shape: [usize; D]) -> Tensor<B, D> {
    Tensor::random(shape, Distribution::Uniform(0.0, 1.0), &Default::default())
}

#[test]
fn any_size_any_time_any_head() {
    let _alone = seeded();
    for (name, config) in variants().into_iter().chain(on_encoders()) {
        for head in [Head::Regression, Head::MultiClass] {
            for takes_time in [true, false] {
                let network =
                    Network::<Flex>::init(&config, ends(2, head.channels(), takes_time), &Default::default());
                for (h, w) in [(16, 8), (13, 21), (4, 4)] {
                    let logits = network.forward(random([2, 2, h, w]), None, random([6]));
                    assert_eq!(logits.dims(), [6, head.channels(), h, w], "{name} {head:?} {takes_time}");
                }
            }
        }
    }
}

#[test]
fn a_sequence_network_tells_domains_apart_by_their_physics() {
    let _alone = seeded();
    let ends = Ends { physics: 2, knots: Some(4), ..ends(1, 3, false) };
    let all = variants().into_iter().chain(on_encoders()).map(|(name, config)| (name, (config, ends)));
    for (name, (config, ends)) in all.chain([("recurrent", recurrent())]) {
        let network = Network::<Flex>::init(&config, ends, &Default::default());
        let input = random::<Flex, 4>([1, 1, 13, 21]).repeat_dim(0, 2);
        let physics = Tensor::from_data([[0.0, 1.0], [1.0, -1.0]], &Default::default());
        let times = Tensor::from_data([0.0, 0.5, 1.0, 0.0, 0.5, 1.0], &Default::default());
        let logits = network.forward(input, Some(physics), times);
        assert_eq!(logits.dims(), [6, 3, 13, 21], "{name}");
        let change = logits.clone().narrow(0, 0, 3) - logits.narrow(0, 3, 3);
        assert!(change.abs().max().into_scalar() > 1e-4, "{name} ignores the physics");
    }
}

#[test]
fn the_logits_of_a_recurrent_network_are_linear_between_knots() {
    let _alone = seeded();
    let (config, ends) = recurrent();
    let network = Network::<Flex>::init(&config, ends, &Default::default());
    let (input, physics) = (random::<Flex, 4>([1, 1, 32, 20]), random::<Flex, 2>([1, 2]));
    let times = Tensor::from_data([0.5, 0.625, 1.0, 7.0], &Default::default());
    let logits = network.forward(input, Some(physics), times);
    let at = |frame: usize| logits.clone().narrow(0, frame, 1);
    let between = at(0) * 0.75 + at(2) * 0.25;
    assert!((at(1) - between).abs().max().into_scalar() < 1e-4);
    assert!((at(3) - at(2)).abs().max().into_scalar() < 1e-6, "the last knot holds after the last time");
    assert!((at(0) - at(2)).abs().max().into_scalar() > 1e-4);
}

#[test]
fn a_recurrent_network_takes_more_steps_through_a_longer_domain() {
    let _alone = seeded();
    let (config, ends) = recurrent();
    let knots = |ends: Ends, size: [usize; 2]| {
        let Network::Unet(unet) = Network::<Flex>::init(&config, ends, &Default::default()) else {
            panic!("a UNet");
        };
        let course = unet.run(random([1, 1, size[0], size[1]]), Some(random([1, 2])));
        course.coefficients.dims()[1] / (3 * course.features.dims()[1])
    };
    // 3 knots for 32 pixels are 2 steps.
    assert_eq!([[32, 64], [64, 32], [80, 32], [8, 8]].map(|size| knots(ends, size)), [3, 5, 6, 2]);
    let across = Recurrent { knots: 3, channels: 8, length: 32, is_across: true };
    let ends = Ends { recurrent: Some(across), ..ends };
    assert_eq!([[32, 64], [64, 32]].map(|size| knots(ends, size)), [5, 3]);
}

#[test]
fn a_state_with_more_channels_begins_as_the_narrower_one() {
    let _alone = seeded();
    let (config, narrow) = recurrent();
    let state = narrow.recurrent.expect("it is recurrent");
    let before = Network::<Flex>::init(&config, narrow, &Default::default());
    let path = Path::new("narrow.safetensors");
    let bytes = before.to_bytes(path).expect("its weights");
    let wider = |channels| {
        let ends = Ends { recurrent: Some(Recurrent { channels, ..state }), ..narrow };
        Network::<Flex>::init(&config, ends, &Default::default()).started_from(bytes.clone(), path)
    };
    let after = wider(3 * state.channels).expect("it takes them");
    let (input, physics, times) = (random([1, 1, 32, 20]), random([1, 2]), random([5]));
    let run = |network: &Network<Flex>| network.forward(input.clone(), Some(physics.clone()), times.clone());
    let worst = (run(&before) - run(&after)).abs().max().into_scalar();
    assert!(worst < 1e-5, "{worst}");
    assert!(wider(state.channels / 2).is_err(), "fewer channels");
}

#[test]
fn encoding_once_gives_the_same_as_encoding_for_each_frame() {
    let _alone = seeded();
    for (name, config) in variants().into_iter().chain(on_encoders()) {
        let network = Network::<Flex>::init(&config, ends(1, 3, true), &Default::default());
        let (input, times) = (random::<Flex, 4>([1, 1, 16, 16]), random::<Flex, 1>([3]));
        let together = network.forward(input.clone(), None, times.clone());
        for i in 0..3 {
            let alone = network.forward(input.clone(), None, times.clone().narrow(0, i, 1));
            let worst = (together.clone().narrow(0, i, 1) - alone).abs().max().into_scalar();
            assert!(worst < 1e-4, "{name} frame {i}: {worst}");
        }
    }
}

/// Path endings of parameters without effect on the loss: biases of convolutions before a norm,
/// which removes them, and of attention keys, which softmax removes.
const WITHOUT_EFFECT: [&str; 3] = [".first.inner.bias", ".second.inner.bias", ".key.bias"];

#[test]
fn a_gradient_reaches_every_parameter_and_time_matters() {
    let _alone = seeded();
    struct Check<'a> {
        gradients: &'a GradientsParams,
        path: Vec<String>,
        without: Vec<String>,
    }
    impl ModuleVisitor<Ad> for Check<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Ad, D>>) {
            let path = self.path.join(".");
            if !param.is_require_grad() || WITHOUT_EFFECT.iter().any(|end| path.ends_with(end)) {
                return;
            }
            let gradient = self.gradients.get::<Flex, D>(param.id);
            let largest = gradient.map_or(0.0, |gradient| gradient.abs().max().into_scalar());
            if !(largest.is_finite() && largest > 0.0) {
                self.without.push(path);
            }
        }
    }
    let small = variants().into_iter().map(|variant| (variant, 16));
    // The last level has 2 x 2 pixels; with a single one, a norm would leave nothing.
    let large = on_encoders().into_iter().map(|variant| (variant, 64));
    let timed = small.chain(large).map(|((name, config), size)| (name, config, ends(1, 3, true), size));
    let (stepped, ends_of_stepped) = recurrent();
    for (name, mut config, ends, size) in timed.chain([("recurrent", stepped, ends_of_stepped, 32)]) {
        config.unet.stochastic_depth = 0.0;
        let network = Network::<Ad>::init(&config, ends, &Default::default());
        let times = Tensor::from_data([0.0, 1.0, 0.0, 1.0], &Default::default());
        let physics = (ends.physics > 0).then(|| random([2, ends.physics]));
        let levels = network.decode_levels(network.encode(random([2, 1, size, size]), physics), times);
        assert_eq!(levels.len(), 1 + config.unet.deep_supervision, "{name}");

        let logits = levels[0].clone().inner();
        let change = logits.clone().narrow(0, 0, 1) - logits.narrow(0, 1, 1);
        assert!(change.abs().max().into_scalar() > 1e-4, "{name} ignores the time");

        let sums = levels.into_iter().map(|logits| {
            let weights = random::<Ad, 4>(logits.dims());
            (logits * weights).sum()
        });
        let sum = sums.reduce(|a, b| a + b).expect("a level");
        let gradients = GradientsParams::from_grads(sum.backward(), &network);
        let mut check = Check { gradients: &gradients, path: Vec::new(), without: Vec::new() };
        network.visit(&mut check);
        assert!(check.without.is_empty(), "{name}: no gradient at {:?}", check.without);
    }
}

#[test]
fn one_batch_can_be_learnt_by_heart() {
    let _alone = seeded();
    let config = LossConfig { cross_entropy: 1.0, ..LossConfig::default() };
    let loss = Objective::of_invasion(Head::MultiClass, &config, [1.0; 3]);
    let small = variants().into_iter().map(|variant| (variant, 16, 80, 2e-2));
    let large = on_encoders().into_iter().map(|variant| (variant, 32, 45, 1e-2));
    for ((name, config), size, steps, rate) in small.chain(large) {
        let mut network = Network::<Ad>::init(&config, ends(1, 3, true), &Default::default());
        let mut adam = AdamConfig::new().init();
        let scored = random::<Ad, 4>([1, 1, size, size]).greater_elem(0.3).float();
        let input = scored.clone();
        let scored = scored.repeat_dim(0, 2);
        // The invaded part grows with time, so the network has to use the time.
        let early = Tensor::<Ad, 4>::zeros([1, 1, size - 4, size], &Default::default());
        let front = Tensor::<Ad, 4>::ones([1, 1, 4, size], &Default::default());
        let early = Tensor::cat(vec![front, early], 2);
        let target = Tensor::cat(vec![early.clone(), early.ones_like()], 0) * scored.clone();
        let times = Tensor::<Ad, 1>::from_data([0.1, 0.9], &Default::default());
        let evaluate = |network: &Network<Ad>| {
            let logits = network.forward(input.clone(), None, times.clone());
            loss.evaluate(vec![logits], target.clone(), scored.clone()).total
        };
        let first = evaluate(&network).into_scalar();
        for _ in 0..steps {
            let gradients = GradientsParams::from_grads(evaluate(&network).backward(), &network);
            network = adam.step(rate, network, gradients);
        }
        let last = evaluate(&network).into_scalar();
        assert!(last < 0.35 * first, "{name}: {first} to {last}");
    }
}

#[test]
fn gradients_in_steps_are_the_gradients() {
    let _alone = seeded();
    struct Compare<'a> {
        name: &'static str,
        gradients: [&'a GradientsParams; 2],
    }
    impl ModuleVisitor<Ad> for Compare<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Ad, D>>) {
            let [whole, stepwise] = self.gradients.map(|gradients| gradients.get::<Flex, D>(param.id));
            let (Some(whole), Some(stepwise)) = (&whole, &stepwise) else {
                assert_eq!(whole.is_some(), stepwise.is_some(), "{}", self.name);
                return;
            };
            let largest = whole.clone().abs().max().into_scalar();
            let worst = (whole.clone() - stepwise.clone()).abs().max().into_scalar();
            assert!(worst <= 1e-4 * largest + 1e-6, "{}: {worst} of {largest}", self.name);
        }
    }
    let (stepped, ends_of_stepped) = recurrent();
    let all = variants().into_iter().chain(on_encoders()).map(|(name, config)| {
        let told = Ends { physics: 2, ..ends(1, 3, true) };
        let sequence = Ends { physics: 2, knots: Some(3), ..ends(1, 3, false) };
        (name, config, vec![ends(1, 3, true), told, sequence])
    });
    for (name, mut config, kinds) in all.chain([("recurrent", stepped, vec![ends_of_stepped])]) {
        config.dropout = 0.2;
        config.unet.stochastic_depth = 0.0;
        let (input, times) = (random::<Ad, 4>([2, 1, 24, 32]), random::<Ad, 1>([4]));
        for ends in kinds {
            let physics = (ends.physics > 0).then(|| random::<Ad, 2>([2, ends.physics]));
            let network = Network::<Ad>::init(&config, ends, &Default::default());
            let evaluate = |levels: Vec<Tensor<Ad, 4>>| {
                let sums = levels.into_iter().map(|logits| (logits.clone() * logits).mean());
                sums.reduce(|a, b| a + b).expect("a level")
            };
            // A copy with running statistics of its own.
            let other = Network::<Ad>::from_inner(network.valid());
            let stepwise = checkpointing::gradients(
                &network,
                input.clone(),
                physics.clone(),
                times.clone(),
                3,
                |levels| Ok(evaluate(levels)),
            );
            // The same numbers drop out: the seed of each step is that of the step.
            let whole = checkpointing::gradients_at_once(
                &other,
                input.clone(),
                physics.clone(),
                times.clone(),
                3,
                evaluate,
            );
            let gradients = [&whole, &stepwise.expect("no step fails")];
            network.visit(&mut Compare { name, gradients });
            let [one, two] = [network, other].map(|network| {
                network.valid().forward(
                    input.clone().inner(),
                    physics.clone().map(Tensor::inner),
                    times.clone().inner(),
                )
            });
            let worst = (one.clone() - two).abs().max().into_scalar();
            assert!(
                worst <= 1e-4 * one.abs().max().into_scalar(),
                "{name}: running statistics differ, {worst}"
            );
        }
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_computes_the_logits_and_gradients_of_the_cpu() {
    use burn::backend::Wgpu;
    /// Outputs and gradients in the order of the layers.
    type Found = Vec<(String, burn::tensor::TensorData)>;
    struct Collect<'a> {
        gradients: &'a GradientsParams,
        found: Found,
    }
    impl<B: ops::TrainBackend> ModuleVisitor<B> for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
                self.found.push((format!("gradient {}", self.found.len()), gradient.into_data()));
            }
        }
    }
    /// Raises every β of a norm so far that no rectifier cuts anything.
    struct Lift {
        is_beta: bool,
    }
    impl<B: ops::TrainBackend> ModuleMapper<B> for Lift {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.is_beta = name == "beta";
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            if self.is_beta {
                param.map(|beta| Tensor::from_inner(beta.inner() + 6.0).require_grad())
            } else {
                param
            }
        }
    }
    /// `values` are the pixels of two images with edges of `edge` pixels, and weight the logits.
    fn compute<B: ops::TrainBackend>(
        network: &Network<B>,
        [edge, told]: [usize; 2],
        values: &[f32],
    ) -> Found {
        let device = Default::default();
        let tensor = |shape: [usize; 4]| {
            let values = values.iter().copied().cycle().take(shape.iter().product()).collect::<Vec<_>>();
            Tensor::<B, 4>::from_data(burn::tensor::TensorData::new(values, shape), &device)
        };
        let times = Tensor::from_data([0.0, 1.0, 0.3, 0.6], &device);
        let physics = |told: usize| (told > 0).then(|| tensor([1, 1, 2, told]).reshape([2, told]));
        let inner = physics(told).map(Tensor::inner);
        let predicted =
            network.valid().forward(tensor([2, 1, edge, edge]).inner(), inner, times.clone().inner());
        let levels = network.decode_levels(network.encode(tensor([2, 1, edge, edge]), physics(told)), times);
        let mut found = vec![
            ("prediction".to_owned(), predicted.into_data()),
            ("logits".to_owned(), levels[0].clone().inner().into_data()),
        ];
        let sums = levels.into_iter().map(|logits| (logits.clone() * tensor(logits.dims())).mean());
        let sum = sums.reduce(|a, b| a + b).expect("a level");
        let gradients = GradientsParams::from_grads(sum.backward(), network);
        let mut collect = Collect { gradients: &gradients, found: Vec::new() };
        network.visit(&mut collect);
        found.append(&mut collect.found);
        found
    }
    let _alone = seeded();
    let values = random::<Flex, 1>([2 * 96 * 96]).into_data().to_vec::<f32>().expect("single precision");
    let mut wrong = Vec::new();
    // At 1/32 of 96 pixels a batch norm has 18 values; with two it would amplify rounding without bound.
    let small = variants().into_iter().map(|variant| (32, variant));
    let large = on_encoders().into_iter().map(|variant| (96, variant));
    let timed = small.chain(large).map(|(edge, (name, config))| (edge, name, config, ends(1, 3, true)));
    let (stepped, ends_of_stepped) = recurrent();
    let networks = timed.chain([(32, "recurrent", stepped, ends_of_stepped)]);
    // One rectifier of a few pixels that rounding flips changes the gradients by a step. So gradients of networks with
    // rectifiers are compared with all of them on; of small networks, what they predict is compared with ordinary weights, too.
    let rectifies = |config: &ModelConfig| config.unet.activation == ActivationKind::Relu;
    let cases = networks.flat_map(|case| [false, true].map(|is_lifted| (case.clone(), is_lifted)));
    let cases = cases.filter(|((edge, _, config, _), is_lifted)| match rectifies(config) {
        true => *is_lifted || *edge == 32,
        false => !is_lifted,
    });
    for ((edge, name, mut config, ends), is_lifted) in cases {
        let only_outputs = rectifies(&config) && !is_lifted;
        config.unet.stochastic_depth = 0.0;
        let mut cpu = Network::<Ad>::init(&config, ends, &Default::default());
        if is_lifted {
            cpu = cpu.map(&mut Lift { is_beta: false });
        }
        // In a ResNet the raised values are large against their spread, which costs digits.
        let tolerance = if config.unet.encoder.kind == EncoderKind::Resnet18 { 5e-3 } else { 1e-3 };
        let weights = crate::train::network_to_bytes(&cpu).expect("weights");
        let gpu = Network::<Autodiff<Wgpu>>::init(&config, ends, &Default::default());
        let gpu =
            crate::train::network_from_bytes(gpu, weights, &Default::default()).expect("the same network");
        let (expected, found) =
            (compute(&cpu, [edge, ends.physics], &values), compute(&gpu, [edge, ends.physics], &values));
        assert_eq!(found.len(), expected.len(), "{name}");
        // Gradients that are zero but for rounding, such as that of a bias before a norm, are compared with the largest.
        let largest =
            |data: &burn::tensor::TensorData| data.iter::<f32>().fold(0.0, |a: f32, b| a.max(b.abs()));
        let scale = expected[2..].iter().map(|(_, data)| largest(data)).fold(0.0, f32::max);
        let compared = if only_outputs { 2 } else { expected.len() };
        for ((what, expected), (_, found)) in expected.iter().zip(&found).take(compared) {
            assert_eq!(found.shape, expected.shape, "{name}: {what}");
            let size = largest(expected).max(if what.starts_with("gradient") { 1e-2 * scale } else { 0.0 });
            let differences = found.iter::<f32>().zip(expected.iter::<f32>()).map(|(a, b)| (a - b).abs());
            let worst = differences.fold(0.0, f32::max) / size;
            let all_finite = found.iter::<f32>().all(f32::is_finite);
            if !all_finite || worst > tolerance {
                wrong.push(format!("{name}: {what} {:?} differs by {worst:e}", found.shape));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn coarse_heads_halve_the_resolution() {
    let _alone = seeded();
    for (name, config) in variants().into_iter().chain(on_encoders()) {
        let network = Network::<Flex>::init(&config, ends(1, 3, true), &Default::default());
        let features = network.encode(random([1, 1, 13, 22]), None);
        let times = random::<Flex, 1>([2]);
        let finest = network.decode(features.clone(), times.clone());
        for (level, logits) in network.decode_levels(features, times).into_iter().enumerate() {
            assert_eq!(
                logits.dims(),
                [2, 3, 13usize.div_ceil(1 << level), 22usize.div_ceil(1 << level)],
                "{name}"
            );
            if level == 0 {
                assert_eq!((logits - finest.clone()).abs().max().into_scalar(), 0.0, "{name}");
            }
        }
    }
}

#[test]
fn samples_are_left_out_in_training_alone() {
    let _alone = seeded();
    let (_, mut config) = variants().swap_remove(0);
    config.unet.residual = true;
    config.unet.stochastic_depth = 0.9;
    let network = Network::<Ad>::init(&config, ends(1, 3, false), &Default::default());
    let input = random::<Ad, 4>([1, 1, 16, 16]).repeat_dim(0, 16);
    let spread = |logits: Tensor<Flex, 4>| {
        let first = logits.clone().narrow(0, 0, 1);
        (logits - first).abs().max().into_scalar()
    };
    let times = Tensor::<Ad, 1>::zeros([16], &Default::default());
    assert!(spread(network.forward(input.clone(), None, times.clone()).inner()) > 1e-3);
    assert!(spread(network.valid().forward(input.inner(), None, times.inner())) < 1e-5);
}

#[test]
fn the_names_of_the_weights_stay() {
    use burn::store::ModuleSnapshot;
    let _alone = seeded();
    let (_, mut config) = variants().swap_remove(0);
    config.unet.levels = 1;
    let network = Network::<Flex>::init(&config, ends(1, 3, true), &Default::default());
    let names: Vec<_> = network.collect(None, None, false).iter().map(|tensor| tensor.full_path()).collect();
    let linear = |place: &str| ["weight", "bias"].map(|value| format!("Unet.{place}.{value}"));
    let block = |place: &str, takes_time: bool| {
        let half = |which: &str| {
            let norm = ["gamma", "beta", "running_mean", "running_var"];
            let norm = norm.map(|value| format!("Unet.{place}.{which}_norm.Batch.{value}"));
            linear(&format!("{place}.{which}.inner")).into_iter().chain(norm)
        };
        let time = takes_time.then(|| linear(&format!("{place}.time.linear")));
        half("first").chain(time.into_iter().flatten()).chain(half("second")).collect::<Vec<_>>()
    };
    let expected: Vec<String> = (linear("embedding.first").into_iter())
        .chain(linear("embedding.second"))
        .chain(block("encoder.0", false))
        .chain(block("bottleneck", true))
        .chain(linear("upsamples.0.Transposed"))
        .chain(block("decoder.0", true))
        .chain(linear("head.inner"))
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn the_network_of_the_study_has_its_size() {
    let _alone = seeded();
    let config = ModelConfig::default();
    let network = Network::<Ad>::init(&config, ends(1, 3, false), &Default::default());
    // 1.94 million in the study's UNet of base 16 and four levels; its last layer has 435.
    assert!((1_900_000..2_000_000).contains(&network.parameter_count()), "{}", network.parameter_count());
}

#[test]
fn weights_of_half_precision_can_be_trained() {
    struct Half;
    impl<B: Backend> ModuleMapper<B> for Half {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            param.map(|weights| weights.cast(FloatDType::F16))
        }
    }
    let _alone = seeded();
    let (_, config) = variants().swap_remove(0);
    let fresh = Network::<Ad>::init(&config, ends(1, 3, true), &Default::default());
    let path = Path::new("half.safetensors");
    let half = fresh.valid().map(&mut Half).to_bytes(path).expect("bytes");
    let started = Network::<Ad>::undrawn(&config, ends(1, 3, true), &Default::default());
    let started = started.with_weights(half, path).expect("the same network");
    assert_eq!(started.parameter_count(), fresh.parameter_count());
}
