//! Named random generators: the random numbers do not depend on which thread draws them.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A 64-bit seed for `purpose` number `index`, derived from `seed`.
pub fn derive(seed: u64, purpose: &str, index: u64) -> u64 {
    let digest = digest(seed, purpose, index);
    u64::from_le_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// A generator for `purpose` number `index`, derived from `seed`.
pub fn generator(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, purpose, index))
}

/// A pseudorandom rank of `name`, derived from `seed`. Sorting by it shuffles names independently of their
/// order.
pub fn rank(seed: u64, name: &str) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_le_bytes()).chain_update(name).finalize().into()
}

fn digest(seed: u64, purpose: &str, index: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(index.to_le_bytes());
    hash.update(purpose.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn each_purpose_and_index_has_a_generator_of_its_own() {
        let first = |seed, purpose, index| generator(seed, purpose, index).next_u64();
        assert_eq!(first(1, "a", 2), first(1, "a", 2));
        assert_ne!(first(1, "a", 2), first(1, "a", 3));
        assert_ne!(first(1, "a", 2), first(2, "a", 2));
        assert_ne!(first(1, "a", 2), first(1, "b", 2));
    }
}
