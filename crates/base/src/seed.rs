//! Named generators: every random draw comes from one of them, whatever thread asks.

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

fn digest(seed: u64, purpose: &str, index: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(index.to_le_bytes());
    hash.update(purpose.as_bytes());
    hash.finalize().into()
}
