//! Memory that is still free, so that a computation that cannot fit is refused before it begins.

use std::path::Path;

use crate::{Error, Result};

/// Bytes that a process can still take: what the machine has available, or what its cgroup leaves if that is less.
/// `None` where the system does not say.
pub fn available() -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    let machine = of_meminfo(&read("/proc/meminfo")?)?;
    let group = number("/sys/fs/cgroup/memory.max").zip(number("/sys/fs/cgroup/memory.current"));
    Some(group.map_or(machine, |(most, now)| machine.min(most.saturating_sub(now))))
}

/// `MemAvailable` in bytes.
fn of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Refuses what needs more bytes than are available.
///
/// # Errors
/// `needed` exceeds [`available`]; `place` and `advice` name what to lower.
pub fn require(needed: f64, place: &str, advice: &str) -> Result<()> {
    match available() {
        Some(free) if needed > free as f64 => {
            let gib = |bytes: f64| bytes / f64::from(1 << 30);
            let what = format!(
                "needs at least {:.3} GiB of memory, {:.1} GiB are available; {advice}",
                gib(needed),
                gib(free as f64)
            );
            Err(Error::config(place, what))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read_from_meminfo() {
        let text = "MemTotal:       24684540 kB\nMemFree:  10 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(of_meminfo(text), Some(20_000_000 * 1024));
        assert_eq!(of_meminfo("MemTotal: 3 kB"), None);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_both_figures() {
        assert!(require(1.0, "model", "").is_ok());
        if available().is_some() {
            let error = require(1e18, "model", "lower it").unwrap_err().to_string();
            assert!(error.contains("needs at least") && error.contains("lower it"), "{error}");
        }
    }
}
