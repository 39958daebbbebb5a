//! Randomness that a seed repeats.

use std::sync::OnceLock;

/// A small generator (SplitMix64): good enough to pick values, and the same on every platform.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// 32 bytes, the size of proptest's seeds.
    pub(crate) fn bytes32(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes());
        }
        bytes
    }
}

/// The seed of this run: from `TOKEN_STORAGE_CONFORMANCE_SEED`, otherwise random.
pub(crate) fn run_seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| match std::env::var("TOKEN_STORAGE_CONFORMANCE_SEED") {
        Ok(text) => text
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("TOKEN_STORAGE_CONFORMANCE_SEED is {text:?}; it must be a number")),
        Err(_) => fresh_u64(),
    })
}

/// Random bits of the operating system, for names that must not collide with an earlier run's.
pub(crate) fn fresh_u64() -> u64 {
    getrandom::u64().expect("the operating system's random source failed")
}

/// The long profile.
pub(crate) fn soak() -> bool {
    std::env::var_os("TOKEN_STORAGE_SOAK").is_some_and(|value| !value.is_empty() && value != "0")
}
