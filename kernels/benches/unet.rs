//! Time of a forward pass and of a training step of a UNet (four levels, batch norm, 1.94 million parameters with 16
//! base channels) with these kernels, and with Burn's own operations.
//!
//! `cargo bench --bench unet [-- batch height width base [burn]]`

use std::time::Instant;

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::{Distribution, Tensor, activation, module};
use porecast_kernels::layer::Joined;
use porecast_kernels::{self as kernels, Activation, Backend};

type Train = Autodiff<Flex>;

#[derive(Clone, Copy, PartialEq)]
enum By {
    Kernels,
    Burn,
}

#[derive(Module, Debug)]
struct Half<B: burn::tensor::backend::Backend> {
    conv: Conv2d<B>,
    norm: BatchNorm<B>,
}

impl<B: Backend> Half<B> {
    fn new([from, to]: [usize; 2], device: &B::Device) -> Self {
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let conv = Conv2dConfig::new([from, to], [3, 3]).with_padding(padding).with_bias(false).init(device);
        Self { conv, norm: BatchNormConfig::new(to).init(device) }
    }

    fn forward(&self, x: Joined<B>, by: By) -> Tensor<B, 4> {
        match by {
            By::Kernels => {
                kernels::layer::conv2d_batch_norm(&self.conv, &self.norm, x, None, Activation::Relu)
            }
            By::Burn => activation::relu(self.norm.forward(self.conv.forward(x.own))),
        }
    }
}

#[derive(Module, Debug)]
struct Block<B: burn::tensor::backend::Backend> {
    first: Half<B>,
    second: Half<B>,
}

impl<B: Backend> Block<B> {
    fn new([from, to]: [usize; 2], device: &B::Device) -> Self {
        Self { first: Half::new([from, to], device), second: Half::new([to, to], device) }
    }

    fn forward(&self, x: impl Into<Joined<B>>, by: By) -> Tensor<B, 4> {
        self.second.forward(self.first.forward(x.into(), by).into(), by)
    }
}

#[derive(Module, Debug)]
struct UNet<B: burn::tensor::backend::Backend> {
    encoder: Vec<Block<B>>,
    bottleneck: Block<B>,
    up: Vec<ConvTranspose2d<B>>,
    decoder: Vec<Block<B>>,
    head: Conv2d<B>,
}

impl<B: Backend> UNet<B> {
    fn new(base: usize, device: &B::Device) -> Self {
        let widths: Vec<usize> = (0..5).map(|level| base << level).collect();
        let mut from = 2;
        let mut encoder = Vec::new();
        for &width in &widths[..4] {
            encoder.push(Block::new([from, width], device));
            from = width;
        }
        let up = |level: usize| {
            let config = ConvTranspose2dConfig::new([widths[level + 1], widths[level]], [2, 2]);
            config.with_stride([2, 2]).init(device)
        };
        Self {
            encoder,
            bottleneck: Block::new([widths[3], widths[4]], device),
            up: (0..4).map(up).collect(),
            decoder: (0..4).map(|level| Block::new([2 * widths[level], widths[level]], device)).collect(),
            head: Conv2dConfig::new([base, 1], [1, 1]).init(device),
        }
    }

    fn forward(&self, mut x: Tensor<B, 4>, by: By) -> Tensor<B, 4> {
        let mut skips = Vec::new();
        for block in &self.encoder {
            x = block.forward(x, by);
            skips.push(x.clone());
            x = match by {
                By::Kernels => kernels::max_pool2x2(x),
                By::Burn => module::max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false),
            };
        }
        x = self.bottleneck.forward(x, by);
        for (level, skip) in skips.into_iter().enumerate().rev() {
            let joined = match by {
                By::Kernels => {
                    let own = kernels::layer::conv_transpose2d(&self.up[level], x);
                    Joined { shared: Some(skip), own }
                }
                By::Burn => Tensor::cat(vec![skip, self.up[level].forward(x)], 1).into(),
            };
            x = self.decoder[level].forward(joined, by);
        }
        match by {
            By::Kernels => kernels::layer::conv2d(&self.head, x),
            By::Burn => self.head.forward(x),
        }
    }
}

/// Time that the threads of this process spent on processors, in seconds: what other programs on the machine take
/// does not count. NaN where the system does not tell.
fn processor_time() -> f64 {
    let of = |path: std::path::PathBuf| -> Option<f64> {
        std::fs::read_to_string(path.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    tasks.flatten().map(|task| of(task.path()).unwrap_or(f64::NAN)).sum::<f64>() / 1e9
}

/// Prints the median, least and largest of some runs.
fn report(name: &str, runs: usize, mut work: impl FnMut()) {
    work();
    let (mut elapsed, mut spent) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (start, before) = (Instant::now(), processor_time());
        work();
        elapsed.push(1e3 * start.elapsed().as_secs_f64());
        spent.push(1e3 * (processor_time() - before));
    }
    elapsed.sort_by(f64::total_cmp);
    spent.sort_by(f64::total_cmp);
    println!(
        "{name}: {:.1} ms ({:.1} to {:.1}); processor time of all threads {:.1} ms ({:.1} to {:.1})",
        elapsed[runs / 2],
        elapsed[0],
        elapsed[runs - 1],
        spent[runs / 2],
        spent[0],
        spent[runs - 1],
    );
}

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [batch, height, width, base] = sizes.try_into().unwrap_or([4, 512, 128, 16]);
    let by = if std::env::args().any(|argument| argument == "burn") { By::Burn } else { By::Kernels };
    let runs = if by == By::Burn { 3 } else { 9 };
    let device = Default::default();
    let mut model = UNet::<Train>::new(base, &device);
    println!(
        "{} parameters, batch {batch} x {height}x{width}, {} threads, {:?}",
        model.num_params(),
        rayon::current_num_threads(),
        kernels::Level::current(),
    );
    let x = Tensor::<Train, 4>::random([batch, 2, height, width], Distribution::Uniform(-1.0, 1.0), &device);
    let target =
        Tensor::<Train, 4>::random([batch, 1, height, width], Distribution::Uniform(0.0, 1.0), &device);
    let frozen = model.valid();
    report("forward", runs, || drop(frozen.forward(x.clone().inner(), by).into_data()));
    let mut optimizer = AdamConfig::new().init();
    report("training step", runs, || {
        let loss = (model.forward(x.clone(), by) - target.clone()).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-3, model.clone(), gradients);
    });
    // As the system counts it: the most that was resident at one time.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        println!("peak memory {:.0} MiB", peak.unwrap_or(f64::NAN) / 1024.0);
    }
}
