//! Runs a network at the command of `against_torch.py`, which compares it with PyTorch.
//!
//! `cargo bench --bench worker -- <unet | head | resnet> <batch> <height> <width> <base> [burn]`, then on standard input one
//! of `forward`, `step` and `sequence <frames>` a line. Each is done twice; the answer is the second one's elapsed
//! time and its processor time over all threads, in milliseconds. `memory` answers with the peak in MiB.

mod networks;

use std::io::BufRead;
use std::time::Instant;

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, Module};
use burn::optim::{GradientsParams, Optimizer};
use burn::tensor::{Distribution, Tensor};
use networks::{By, Network};
use porecast_kernels::adam::{Adam, Decay};

type Train = Autodiff<Flex>;

/// Time that the threads of this process spent on processors, in seconds. NaN where the system does not tell.
fn processor_time() -> f64 {
    let of = |path: std::path::PathBuf| -> Option<f64> {
        std::fs::read_to_string(path.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    tasks.flatten().map(|task| of(task.path()).unwrap_or(f64::NAN)).sum::<f64>() / 1e9
}

/// The most memory that was resident at one time, in MiB, as the system counts it.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .map_or(f64::NAN, |kib: f64| kib / 1024.0)
}

/// Does the work twice and says how long the second time took. As in the program, one of rayon's threads does it.
fn timed(mut work: impl FnMut() + Send) {
    rayon::scope(|_| work());
    let (start, before) = (Instant::now(), processor_time());
    rayon::scope(|_| work());
    println!("{} {}", 1e3 * start.elapsed().as_secs_f64(), 1e3 * (processor_time() - before));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (Some(name), [batch, height, width, base]) = (
        arguments.first(),
        <[usize; 4]>::try_from(arguments.iter().filter_map(|a| a.parse().ok()).collect::<Vec<_>>())
            .unwrap_or([4, 512, 128, 16]),
    ) else {
        return println!("run by benches/against_torch.py");
    };
    let by = if arguments.iter().any(|argument| argument == "burn") { By::Burn } else { By::Kernels };
    let device = Default::default();
    let mut model = Network::<Train>::new(name, base, &device);
    let uniform = |low, high| Distribution::Uniform(low, high);
    let x = Tensor::<Train, 4>::random([batch, model.inputs(), height, width], uniform(-1.0, 1.0), &device);
    let target = Tensor::<Train, 4>::random([batch, 1, height, width], uniform(0.0, 1.0), &device);
    let mut optimizer = Adam::new(1e-8, Decay::Penalty(0.0)).init();
    println!("{} parameters, {:?}", model.num_params(), porecast_kernels::Level::current());
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["forward"] => {
                let frozen = model.valid();
                timed(|| drop(frozen.forward(x.clone().inner(), by).into_data()));
            }
            ["sequence", frames] => {
                let frames = frames.parse().expect("a number of frames");
                let frozen = model.valid();
                timed(|| frozen.sequence(x.clone().inner(), frames));
            }
            ["step"] => timed(|| {
                let loss = (model.forward(x.clone(), by) - target.clone()).square().mean();
                let gradients = GradientsParams::from_grads(loss.backward(), &model);
                model = optimizer.step(1e-3, model.clone(), gradients);
            }),
            ["memory"] => println!("{}", peak_memory()),
            _ => panic!("unknown: {line}"),
        }
    }
}
