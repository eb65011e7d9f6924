//! What a training would do: `porecast train --dry-run`.

use std::path::Path;
use std::time::Instant;

use porecast_base::Result;
use porecast_store::RunFolder;

use super::Setting;
use super::ranks::Ranks;
use super::trainer::Trainer;
use crate::model::ops::TrainBackend;

/// Describes a training that began to be set up at `began`, after a few steps of its first network.
///
/// # Errors
/// The weights to begin with do not fit, a sample cannot be read, or the loss is not finite.
pub(super) fn describe<B: TrainBackend>(
    device: &B::Device,
    setting: &Setting,
    began: Instant,
) -> Result<String> {
    let first = &setting.members[0];
    let start = setting.place.init.as_ref().map(|init| init.weights(&first.folder)).transpose()?;
    let alone = Ranks::alone();
    let tried = Trainer::<B>::new(setting, first, start.as_deref(), device, &alone)?.try_out()?;
    let first_step = tried.first_step.duration_since(began).as_secs_f64();
    let reserved = B::reserved_memory(device);
    let reserved = reserved.map(|bytes| format!("; the GPU has reserved {:.2} GiB", gib(bytes as f64)));
    let reserved = reserved.unwrap_or_default();
    let networks = setting.members.len();
    let (train, validation) = (first.train.len(), first.validation.len());
    let epochs = setting.training.epochs as u64;
    let steps = tried.total_steps * networks as u64;
    let each = if networks > 1 { " for each network" } else { "" };
    let of_each = if networks > 1 { ", one after the other" } else { "" };
    Ok(format!(
        "{}\n\
         networks    {networks}{of_each}\n\
         parameters  {}{each}\n\
         memory      at least {:.2} GiB{reserved}\n\
         samples     {} in an epoch, from {train} training domains or images; {validation} for validation\n\
         steps       {} in an epoch, {} in {epochs} epochs{each}\n\
         time        about {} ({:.3} s a step, from {} steps), without validation\n\
         first step  done after {first_step:.1} s, with the data read and the device ready\n",
        setting.place.resolved,
        grouped(tried.parameters),
        gib(setting.memory.needed()),
        tried.samples,
        tried.total_steps / epochs.max(1),
        tried.total_steps,
        duration(steps as f64 * tried.seconds_per_step),
        tried.seconds_per_step,
        tried.timed,
    ))
}

/// A run folder, and what is in it.
pub(super) fn of_output(path: &Path) -> String {
    let state = if RunFolder::new(path).is_vacant() { "new" } else { "exists: needs --resume or --force" };
    format!("{} ({state})", path.display())
}

fn gib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 30)
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(" ")
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_in_words() {
        assert_eq!([7, 1234, 12_345_678].map(grouped), ["7", "1 234", "12 345 678"]);
        assert_eq!([20.0, 600.0, 9000.0].map(duration), ["20 s", "10 min", "2.5 h"]);
    }
}
