//! The processes that train one network together, its ranks: those of MPI with the feature `mpi`, else this process alone.
//!
//! A step has `training.accumulation` batches. Rank r of R computes batches r, r + R, ... and their gradients are summed in
//! the order of the batches, as one process does. So the weights do not depend on the number of ranks.

#[cfg(feature = "mpi")]
mod mpi;
#[cfg(not(feature = "mpi"))]
mod none;

use porecast_base::progress::print_line;
use porecast_base::{Error, ErrorKind, Result};
use porecast_store::config::train::TrainingConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "mpi")]
use self::mpi::World;
#[cfg(not(feature = "mpi"))]
use self::none::World;
use crate::device::Device;

/// Variables in which launchers tell a process its number and how many there are: OpenMPI's mpirun, others of the PMI
/// protocol, and Slurm's srun.
const LAUNCHERS: [(&str, &str); 3] = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),
];

/// The ranks of a training. All ranks must call the functions that exchange something, in the same order.
pub(crate) struct Ranks {
    /// `None` for one rank.
    world: Option<World>,
    /// Number of this rank among those on the same machine.
    on_machine: usize,
}

impl Ranks {
    /// This process alone.
    pub(crate) fn alone() -> Self {
        Self { world: None, on_machine: 0 }
    }

    /// The ranks that `mpirun` or `srun` has started; this process alone if there is no other.
    ///
    /// # Errors
    /// Several processes were started, but this build cannot connect them.
    pub(super) fn start() -> Result<Self> {
        match launched() {
            Some((_, count)) if count > 1 => Self::connect(World::start(count)?),
            _ => Ok(Self::alone()),
        }
    }

    fn connect(world: World) -> Result<Self> {
        let me = world.number();
        let mut ranks = Self { world: Some(world), on_machine: 0 };
        let machine = ranks.world.as_ref().map_or(0, World::machine);
        let seats = ranks.gather((machine, allowed_processors()))?;
        ranks.on_machine = seats[..me].iter().filter(|(other, _)| *other == machine).count();
        // Ranks with the same processors divide them among them; a launcher may also have bound each to its own.
        let sharing = seats.iter().filter(|seat| **seat == seats[me]).count();
        if std::env::var_os("RAYON_NUM_THREADS").is_none() {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let pool = rayon::ThreadPoolBuilder::new().num_threads((processors / sharing).max(1));
            // Fails if `--threads` has set the number.
            let _ = pool.build_global();
        }
        Ok(ranks)
    }

    /// The number of this rank, from 0.
    pub(super) fn number(&self) -> usize {
        self.world.as_ref().map_or(0, World::number)
    }

    /// How many ranks there are.
    pub(super) fn count(&self) -> usize {
        self.world.as_ref().map_or(1, World::count)
    }

    /// Whether this rank writes files and messages.
    pub(super) fn is_first(&self) -> bool {
        self.number() == 0
    }

    /// Whether there is no other rank.
    pub(super) fn is_alone(&self) -> bool {
        self.world.is_none()
    }

    /// The pieces of work of this rank: the one with the rank's number as index, and every `count`-th after it.
    pub(super) fn own<'a, T>(&self, pieces: &'a [T]) -> impl Iterator<Item = &'a T> + use<'a, T> {
        pieces.iter().skip(self.number()).step_by(self.count())
    }

    /// Refuses steps with fewer batches than there are ranks.
    ///
    /// # Errors
    /// `training.accumulation` is smaller than the number of ranks.
    pub(super) fn require_batches(&self, config: &TrainingConfig) -> Result<()> {
        let (batches, count) = (config.accumulation, self.count());
        if batches >= count {
            return Ok(());
        }
        let what = format!(
            "{batches} is too few for {count} processes, which compute one batch of a step each; set it to {count} or a \
             multiple of it, and training.batch_size to the samples of one process"
        );
        Err(Error::config("training.accumulation", what))
    }

    /// The device that a rank computes on: `cuda` and `wgpu` without an index are one GPU for each rank of a machine.
    ///
    /// # Errors
    /// As [`Device::parse`].
    pub(super) fn device(&self, text: &str) -> Result<Device> {
        if self.is_alone() { Device::parse(text) } else { Device::of_rank(text, self.on_machine) }
    }

    /// The values of all ranks, in their order.
    ///
    /// # Errors
    /// A value cannot be written as JSON, such as a path that is not Unicode.
    pub(super) fn gather<T: Serialize + DeserializeOwned>(&self, mine: T) -> Result<Vec<T>> {
        let Some(world) = &self.world else { return Ok(vec![mine]) };
        let unsendable = |e| Error::new(ErrorKind::Output, "message between ranks", e);
        let bytes = serde_json::to_vec(&mine).map_err(unsendable)?;
        world
            .gather(&bytes)
            .iter()
            .map(|bytes| serde_json::from_slice(bytes))
            .collect::<std::result::Result<_, _>>()
            .map_err(unsendable)
    }

    /// The numbers of all ranks, in their order; all have equally many.
    pub(super) fn gather_numbers(&self, mine: &[f32]) -> Vec<Vec<f32>> {
        match &self.world {
            Some(world) if !mine.is_empty() => {
                world.gather_numbers(mine).chunks(mine.len()).map(<[f32]>::to_vec).collect()
            }
            _ => vec![mine.to_vec()],
        }
    }

    /// Returns when all ranks are here.
    pub(super) fn wait(&self) {
        if let Some(world) = &self.world {
            world.gather(&[0]);
        }
    }

    /// Adds the numbers of the first `count` ranks to `sum`, in the order of the ranks. Each rank sums only its share of the
    /// positions; [`whole`](Self::whole) joins the shares.
    pub(super) fn add_in_order(&self, mut mine: Vec<f32>, count: usize, sum: &mut Vec<f32>) {
        let Some(world) = &self.world else { return add(sum, &mine) };
        mine.resize(mine.len().next_multiple_of(self.count()), 0.0);
        let shares = world.exchange(&mine);
        shares.chunks(mine.len() / self.count()).take(count).for_each(|share| add(sum, share));
    }

    /// Joins the ranks' shares of a sum; zeros may follow at the end.
    pub(super) fn whole(&self, share: Vec<f32>) -> Vec<f32> {
        match &self.world {
            Some(world) => world.gather_numbers(&share),
            None => share,
        }
    }

    /// Returns an error that all ranks find at the same point. Only the first rank returns, shows it and ends the others.
    pub(super) fn found_by_all(&self, error: Error) -> Error {
        if !self.is_first() {
            self.wait();
        }
        error
    }

    /// Shows an error and ends all ranks: at once, or, after an interruption, which all ranks notice, when all have arrived
    /// here.
    pub(super) fn end(self, error: &Error) -> ! {
        let (number, code) = (self.number(), error.exit_code());
        let is_interrupted = error.kind() == ErrorKind::Interrupted;
        match number {
            0 => print_line(&format!("error: {error}")),
            _ if is_interrupted => {}
            _ => print_line(&format!("error: rank {number}: {error}")),
        }
        match self.world {
            Some(world) if is_interrupted => world.leave(),
            Some(world) => world.abort(code),
            None => {}
        }
        std::process::exit(code.into())
    }
}

/// Whether this process is the first or only one that a launcher has started.
pub fn is_first_process() -> bool {
    launched().is_none_or(|(number, _)| number == 0)
}

/// The number of this process and how many there are, if a launcher started it.
fn launched() -> Option<(usize, usize)> {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    LAUNCHERS.iter().find_map(|(rank, size)| Some((number(rank)?, number(size)?)))
}

/// The processors that this process may use, as Linux lists them; empty elsewhere.
fn allowed_processors() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("Cpus_allowed_list")).collect()
}

/// Adds numbers to a sum; the first become the sum.
fn add(sum: &mut Vec<f32>, numbers: &[f32]) {
    if sum.is_empty() {
        sum.extend_from_slice(numbers);
    } else {
        sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_added_in_their_order_without_a_zero_before_them() {
        let mut sum = Vec::new();
        for numbers in [[-0.0, 1e8], [-0.0, 1.0], [-0.0, -1e8]] {
            Ranks::alone().add_in_order(numbers.to_vec(), 1, &mut sum);
        }
        assert!(sum[0].is_sign_negative());
        assert_eq!(sum[1], 1e8 + 1.0 - 1e8);
    }
}
