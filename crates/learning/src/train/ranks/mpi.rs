//! MPI: the only calls of its library. An error in it ends all processes.

use mpi::Threading;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use porecast_base::{Error, Result};

/// All processes that were started together.
pub(super) struct World {
    all: SimpleCommunicator,
    /// Ends MPI when it is dropped.
    _universe: Universe,
}

impl World {
    /// Connects the processes; once in the life of a process.
    pub(super) fn start(count: usize) -> Result<Self> {
        let Some((universe, _)) = mpi::initialize_with_threading(Threading::Funneled) else {
            let what =
                "started several processes for more than one training; run the stages of a study one by one";
            return Err(Error::config("mpirun", what));
        };
        let all = universe.world();
        if all.size() as usize != count {
            let what = format!(
                "started {count} processes, but MPI connects {}; mpirun or srun --mpi must be those of the MPI library that \
                 porecast was built with",
                all.size()
            );
            return Err(Error::config("mpirun", what));
        }
        Ok(Self { all, _universe: universe })
    }

    pub(super) fn number(&self) -> usize {
        self.all.rank() as usize
    }

    pub(super) fn count(&self) -> usize {
        self.all.size() as usize
    }

    /// The number of the first process on the same machine.
    pub(super) fn machine(&self) -> usize {
        let mut first = self.all.rank();
        self.all.split_shared(first).process_at_rank(0).broadcast_into(&mut first);
        first as usize
    }

    /// The bytes of all processes.
    pub(super) fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        let mut lengths = vec![0i32; self.count()];
        self.all.all_gather_into(&(mine.len() as i32), &mut lengths[..]);
        let starts: Vec<i32> = lengths
            .iter()
            .scan(0, |end, length| {
                *end += length;
                Some(*end - length)
            })
            .collect();
        let mut bytes = vec![0u8; lengths.iter().sum::<i32>() as usize];
        let mut parts = PartitionMut::new(&mut bytes[..], &lengths[..], &starts[..]);
        self.all.all_gather_varcount_into(mine, &mut parts);
        let part = |(&start, &length): (&i32, &i32)| bytes[start as usize..][..length as usize].to_vec();
        starts.iter().zip(&lengths).map(part).collect()
    }

    /// The numbers of all processes one after the other; all have equally many.
    pub(super) fn gather_numbers(&self, mine: &[f32]) -> Vec<f32> {
        let mut all = vec![0.0; mine.len() * self.count()];
        self.all.all_gather_into(mine, &mut all[..]);
        all
    }

    /// Sends the first part of `mine` to the first process, the second to the second, and so on; returns what this process is
    /// sent, in the order of the processes.
    pub(super) fn exchange(&self, mine: &[f32]) -> Vec<f32> {
        let mut received = vec![0.0; mine.len()];
        self.all.all_to_all_into(mine, &mut received[..]);
        received
    }

    /// Ends MPI in this process when all others do.
    pub(super) fn leave(self) {
        drop(self);
    }

    /// Ends all processes.
    pub(super) fn abort(&self, code: u8) -> ! {
        self.all.abort(code.into())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The others would wait for this process for ever.
        if std::thread::panicking() {
            self.abort(101);
        }
    }
}
