//! Matrix registers (AMX): eight tiles of 16 rows by 64 bytes, and matrix products in them.
//!
//! A tile product sums bfloat16 products in single precision, sixteen times as many per cycle as a vector
//! unit. Each float is split into two bfloat16 halves, high and low ([`split`]). Of the four products of two
//! such floats, the three significant ones are summed: high x high, high x low, low x high. The error, from
//! the omitted product and from rounding of the halves, is below 2⁻¹⁵ of a product and has either sign.
//!
//! Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
//! computations" (2019).

/// Rows of a tile, floats per row, and pairs of halves per row.
pub(crate) const SIDE: usize = 16;
/// Bytes per row of a tile.
const TILE_ROW: usize = 64;
/// Bytes per tile.
pub(crate) const TILE_BYTES: usize = SIDE * TILE_ROW;
/// Floats per tile.
pub(crate) const TILE: usize = SIDE * SIDE;

use crate::simd::{Kernel, Level};
pub(crate) use imp::Tiles;
#[cfg(any(test, target_arch = "x86_64"))]
pub(crate) use imp::is_available;

/// Runs a kernel that uses tiles. Tests run it on any processor: with vectors of sixteen floats in plain
/// Rust, and with the [`model`] of the tiles.
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(test)]
    if !is_available() {
        // SAFETY: plain Rust is available everywhere.
        return unsafe { kernel.run::<crate::simd::Portable<SIDE>>() };
    }
    Level::Avx512.run(kernel)
}

/// Tiles of sums, aligned to cache lines.
#[repr(align(64))]
pub(crate) struct Sums<const FLOATS: usize>(pub [f32; FLOATS]);

/// Layout of one factor of a product: distance between rows, and from the high to the low halves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factor {
    /// Bytes from one row of a tile to the next.
    pub row: usize,
    /// Bytes from a tile of high halves to that of the low ones.
    pub low: usize,
}

/// The products in plain Rust, for tests without tiles and for other operating systems.
#[cfg(any(test, not(all(target_arch = "x86_64", target_os = "linux"))))]
mod model {
    use super::{Factor, SIDE, TILE};

    /// sums[i][j] = Σ a[i] b[j] over the steps, as [`two_by_two`](super::Tiles::two_by_two), for I x J tiles
    /// of sums.
    ///
    /// # Safety
    /// The same as for `two_by_two`.
    pub(super) unsafe fn product<const I: usize, const J: usize, const SUMS: usize>(
        (mut a, a_factor, a_step): ([*const u8; I], Factor, usize),
        (b, b_factor): ([*const u8; J], Factor),
        offsets: impl Iterator<Item = usize>,
        sums: [*mut f32; SUMS],
        is_first: bool,
    ) {
        // SAFETY: all addresses are inside the ranges ensured by the caller.
        unsafe {
            if is_first {
                sums.iter().for_each(|sum| sum.write_bytes(0, TILE));
            }
            for offset in offsets {
                for (index, &sum) in sums.iter().enumerate() {
                    let (a, b) = (a[index / J], b[index % J].wrapping_add(offset));
                    let (a_low, b_low) = (a.wrapping_add(a_factor.low), b.wrapping_add(b_factor.low));
                    for (a, b) in [(a, b_low), (a, b), (a_low, b)] {
                        add_product((a, a_factor.row), (b, b_factor.row), sum);
                    }
                }
                a = a.map(|a| a.wrapping_add(a_step));
            }
        }
    }

    /// The instruction `tdpbf16ps`: sums[row][column] += Σ a[row][pair] · b[pair][column]. A pair is two
    /// bfloat16, and the product of two pairs is the sum of the elementwise products.
    ///
    /// # Safety
    /// Both factors are tiles; their second values are the distances between rows. The sums are a tile.
    unsafe fn add_product(a: (*const u8, usize), b: (*const u8, usize), sums: *mut f32) {
        // SAFETY: rows and columns are inside the tiles.
        let pair = |(tile, line): (*const u8, usize), row: usize, column: usize| unsafe {
            let bits =
                tile.wrapping_add(row * line + column * size_of::<u32>()).cast::<u32>().read_unaligned();
            [f32::from_bits(bits << 16), f32::from_bits(bits & 0xffff_0000)]
        };
        for row in 0..SIDE {
            for column in 0..SIDE {
                let products = (0..SIDE).map(|k| {
                    let ([a0, a1], [b0, b1]) = (pair(a, row, k), pair(b, k, column));
                    a0 * b0 + a1 * b1
                });
                // SAFETY: inside the tile of sums.
                unsafe { *sums.add(row * SIDE + column) += products.sum::<f32>() }
            }
        }
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod imp {
    use std::arch::asm;
    use std::marker::PhantomData;
    use std::sync::OnceLock;

    use super::{Factor, SIDE, TILE_ROW};

    /// Whether the processor has bfloat16 tiles and the operating system lets this process use them.
    pub(crate) fn is_available() -> bool {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        *AVAILABLE.get_or_init(|| {
            use std::arch::x86_64::{__cpuid_count, __get_cpuid_max};
            if __get_cpuid_max(0).0 < 7 || !is_x86_feature_detected!("avx512bf16") {
                return false;
            }
            let features = __cpuid_count(7, 0).edx;
            features & (1 << 22) != 0 && features & (1 << 24) != 0 && request_permission()
        })
    }

    /// Asks Linux for permission to use the tiles; a process has to request it.
    fn request_permission() -> bool {
        const ARCH_PRCTL: isize = 158;
        const REQUEST_PERMISSION: usize = 0x1023;
        const TILE_DATA: usize = 18;
        let refused: isize;
        // SAFETY: a system call that takes two numbers, touches no memory, and changes these registers only.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => refused,
                in("rdi") REQUEST_PERMISSION,
                in("rsi") TILE_DATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        refused == 0
    }

    /// The tiles of this thread, all 16 rows by 64 bytes, until dropped. Compiled code never accesses them,
    /// so they keep their contents between blocks of assembly.
    pub(crate) struct Tiles {
        of_this_thread: PhantomData<*const ()>,
    }

    impl Tiles {
        /// # Panics
        /// If there are no tiles.
        pub fn configure() -> Self {
            #[cfg(test)]
            if !is_available() {
                return Self { of_this_thread: PhantomData };
            }
            assert!(is_available(), "no matrix registers");
            let mut configuration = [0u8; 64];
            configuration[0] = 1;
            for tile in 0..8 {
                configuration[16 + 2 * tile] = TILE_ROW as u8;
                configuration[48 + tile] = SIDE as u8;
            }
            // SAFETY: the instructions exist, and a configuration is 64 bytes.
            unsafe { asm!("ldtilecfg [{}]", in(reg) configuration.as_ptr(), options(nostack, readonly)) };
            Self { of_this_thread: PhantomData }
        }

        /// sums[i][j] = Σ a[i] b[j] over the steps, added to the previous sums unless it `is_first`. Every a
        /// advances by `a_step` bytes per step; b is at its start plus the offset of the step.
        ///
        /// # Safety
        /// Each a at every step, and each b at every offset, is valid for both halves of 16 rows of 64 bytes.
        /// The sums are four distinct tiles, `[i][j]`, each row-major.
        #[inline(always)]
        pub unsafe fn two_by_two(
            &self,
            (a, a_factor, a_step): ([*const u8; 2], Factor, usize),
            (b, b_factor): ([*const u8; 2], Factor),
            offsets: impl Iterator<Item = usize>,
            sums: [*mut f32; 4],
            is_first: bool,
        ) {
            #[cfg(test)]
            if !is_available() {
                // SAFETY: ensured by the caller.
                return unsafe {
                    super::model::product((a, a_factor, a_step), (b, b_factor), offsets, sums, is_first)
                };
            }
            let [mut a0, mut a1] = a;
            // SAFETY: tiles are configured; all addresses are inside the ranges ensured by the caller.
            unsafe {
                self.begin(sums, is_first);
                for offset in offsets {
                    let [b0, b1] = [b[0].wrapping_add(offset), b[1].wrapping_add(offset)];
                    asm!(
                        "tileloadd tmm6, [{b0l} + {br}*1]",
                        "tileloadd tmm4, [{a0} + {ar}*1]",
                        "tdpbf16ps tmm0, tmm4, tmm6",
                        "tileloadd tmm7, [{b1l} + {br}*1]",
                        "tdpbf16ps tmm1, tmm4, tmm7",
                        "tileloadd tmm5, [{a1} + {ar}*1]",
                        "tdpbf16ps tmm2, tmm5, tmm6",
                        "tdpbf16ps tmm3, tmm5, tmm7",
                        "tileloadd tmm6, [{b0} + {br}*1]",
                        "tdpbf16ps tmm0, tmm4, tmm6",
                        "tileloadd tmm7, [{b1} + {br}*1]",
                        "tdpbf16ps tmm1, tmm4, tmm7",
                        "tdpbf16ps tmm2, tmm5, tmm6",
                        "tdpbf16ps tmm3, tmm5, tmm7",
                        "tileloadd tmm4, [{a0l} + {ar}*1]",
                        "tdpbf16ps tmm0, tmm4, tmm6",
                        "tdpbf16ps tmm1, tmm4, tmm7",
                        "tileloadd tmm5, [{a1l} + {ar}*1]",
                        "tdpbf16ps tmm2, tmm5, tmm6",
                        "tdpbf16ps tmm3, tmm5, tmm7",
                        a0 = in(reg) a0,
                        a1 = in(reg) a1,
                        a0l = in(reg) a0.wrapping_add(a_factor.low),
                        a1l = in(reg) a1.wrapping_add(a_factor.low),
                        ar = in(reg) a_factor.row,
                        b0 = in(reg) b0,
                        b1 = in(reg) b1,
                        b0l = in(reg) b0.wrapping_add(b_factor.low),
                        b1l = in(reg) b1.wrapping_add(b_factor.low),
                        br = in(reg) b_factor.row,
                        options(nostack, readonly),
                    );
                    a0 = a0.wrapping_add(a_step);
                    a1 = a1.wrapping_add(a_step);
                }
                self.end(sums);
            }
        }

        /// sums[j] = Σ a b[j], as [`two_by_two`](Self::two_by_two), with three tiles of sums.
        ///
        /// # Safety
        /// The same as for `two_by_two`.
        #[inline(always)]
        pub unsafe fn one_by_three(
            &self,
            (mut a, a_factor, a_step): (*const u8, Factor, usize),
            (b, b_factor): ([*const u8; 3], Factor),
            offsets: impl Iterator<Item = usize>,
            sums: [*mut f32; 3],
            is_first: bool,
        ) {
            #[cfg(test)]
            if !is_available() {
                // SAFETY: ensured by the caller.
                return unsafe {
                    super::model::product(([a], a_factor, a_step), (b, b_factor), offsets, sums, is_first)
                };
            }
            // SAFETY: tiles are configured; all addresses are inside the ranges ensured by the caller.
            unsafe {
                self.begin_three(sums, is_first);
                for offset in offsets {
                    let b = b.map(|b| b.wrapping_add(offset));
                    asm!(
                        "tileloadd tmm5, [{b0} + {br}*1]",
                        "tileloadd tmm3, [{a} + {ar}*1]",
                        "tdpbf16ps tmm0, tmm3, tmm5",
                        "tileloadd tmm6, [{b1} + {br}*1]",
                        "tdpbf16ps tmm1, tmm3, tmm6",
                        "tileloadd tmm7, [{b2} + {br}*1]",
                        "tdpbf16ps tmm2, tmm3, tmm7",
                        "tileloadd tmm4, [{al} + {ar}*1]",
                        "tdpbf16ps tmm0, tmm4, tmm5",
                        "tdpbf16ps tmm1, tmm4, tmm6",
                        "tdpbf16ps tmm2, tmm4, tmm7",
                        "tileloadd tmm5, [{b0l} + {br}*1]",
                        "tdpbf16ps tmm0, tmm3, tmm5",
                        "tileloadd tmm6, [{b1l} + {br}*1]",
                        "tdpbf16ps tmm1, tmm3, tmm6",
                        "tileloadd tmm7, [{b2l} + {br}*1]",
                        "tdpbf16ps tmm2, tmm3, tmm7",
                        a = in(reg) a,
                        al = in(reg) a.wrapping_add(a_factor.low),
                        ar = in(reg) a_factor.row,
                        b0 = in(reg) b[0],
                        b1 = in(reg) b[1],
                        b2 = in(reg) b[2],
                        b0l = in(reg) b[0].wrapping_add(b_factor.low),
                        b1l = in(reg) b[1].wrapping_add(b_factor.low),
                        b2l = in(reg) b[2].wrapping_add(b_factor.low),
                        br = in(reg) b_factor.row,
                        options(nostack, readonly),
                    );
                    a = a.wrapping_add(a_step);
                }
                self.end_three(sums);
            }
        }

        /// sums[i] = Σ a[i] b, as [`two_by_two`](Self::two_by_two), with three tiles of sums.
        ///
        /// # Safety
        /// The same as for `two_by_two`.
        #[inline(always)]
        pub unsafe fn three_by_one(
            &self,
            (mut a, a_factor, a_step): ([*const u8; 3], Factor, usize),
            (b, b_factor): (*const u8, Factor),
            offsets: impl Iterator<Item = usize>,
            sums: [*mut f32; 3],
            is_first: bool,
        ) {
            #[cfg(test)]
            if !is_available() {
                // SAFETY: ensured by the caller.
                return unsafe {
                    super::model::product((a, a_factor, a_step), ([b], b_factor), offsets, sums, is_first)
                };
            }
            // SAFETY: tiles are configured; all addresses are inside the ranges ensured by the caller.
            unsafe {
                self.begin_three(sums, is_first);
                for offset in offsets {
                    let b = b.wrapping_add(offset);
                    asm!(
                        "tileloadd tmm5, [{a0} + {ar}*1]",
                        "tileloadd tmm3, [{b} + {br}*1]",
                        "tdpbf16ps tmm0, tmm5, tmm3",
                        "tileloadd tmm6, [{a1} + {ar}*1]",
                        "tdpbf16ps tmm1, tmm6, tmm3",
                        "tileloadd tmm7, [{a2} + {ar}*1]",
                        "tdpbf16ps tmm2, tmm7, tmm3",
                        "tileloadd tmm4, [{bl} + {br}*1]",
                        "tdpbf16ps tmm0, tmm5, tmm4",
                        "tdpbf16ps tmm1, tmm6, tmm4",
                        "tdpbf16ps tmm2, tmm7, tmm4",
                        "tileloadd tmm5, [{a0l} + {ar}*1]",
                        "tdpbf16ps tmm0, tmm5, tmm3",
                        "tileloadd tmm6, [{a1l} + {ar}*1]",
                        "tdpbf16ps tmm1, tmm6, tmm3",
                        "tileloadd tmm7, [{a2l} + {ar}*1]",
                        "tdpbf16ps tmm2, tmm7, tmm3",
                        a0 = in(reg) a[0],
                        a1 = in(reg) a[1],
                        a2 = in(reg) a[2],
                        a0l = in(reg) a[0].wrapping_add(a_factor.low),
                        a1l = in(reg) a[1].wrapping_add(a_factor.low),
                        a2l = in(reg) a[2].wrapping_add(a_factor.low),
                        ar = in(reg) a_factor.row,
                        b = in(reg) b,
                        bl = in(reg) b.wrapping_add(b_factor.low),
                        br = in(reg) b_factor.row,
                        options(nostack, readonly),
                    );
                    a = a.map(|a| a.wrapping_add(a_step));
                }
                self.end_three(sums);
            }
        }

        /// # Safety
        /// Each sum is a tile.
        #[inline(always)]
        unsafe fn begin(&self, [s0, s1, s2, s3]: [*mut f32; 4], is_first: bool) {
            // SAFETY: tiles are configured; the sums are ensured by the caller.
            unsafe {
                self.begin_three([s0, s1, s2], is_first);
                match is_first {
                    true => asm!("tilezero tmm3", options(nostack, nomem)),
                    false => asm!(
                        "tileloadd tmm3, [{s} + {r}*1]",
                        s = in(reg) s3,
                        r = in(reg) TILE_ROW,
                        options(nostack, readonly),
                    ),
                }
            }
        }

        /// # Safety
        /// Each sum is a tile.
        #[inline(always)]
        unsafe fn begin_three(&self, [s0, s1, s2]: [*mut f32; 3], is_first: bool) {
            // SAFETY: tiles are configured; the sums are ensured by the caller.
            unsafe {
                match is_first {
                    true => asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", options(nostack, nomem)),
                    false => asm!(
                        "tileloadd tmm0, [{s0} + {r}*1]",
                        "tileloadd tmm1, [{s1} + {r}*1]",
                        "tileloadd tmm2, [{s2} + {r}*1]",
                        s0 = in(reg) s0,
                        s1 = in(reg) s1,
                        s2 = in(reg) s2,
                        r = in(reg) TILE_ROW,
                        options(nostack, readonly),
                    ),
                }
            }
        }

        /// # Safety
        /// Each sum is a tile.
        #[inline(always)]
        unsafe fn end(&self, [s0, s1, s2, s3]: [*mut f32; 4]) {
            // SAFETY: tiles are configured; the sums are ensured by the caller.
            unsafe {
                self.end_three([s0, s1, s2]);
                asm!("tilestored [{s} + {r}*1], tmm3", s = in(reg) s3, r = in(reg) TILE_ROW, options(nostack));
            }
        }

        /// # Safety
        /// Each sum is a tile.
        #[inline(always)]
        unsafe fn end_three(&self, [s0, s1, s2]: [*mut f32; 3]) {
            // SAFETY: tiles are configured; the sums are ensured by the caller.
            unsafe {
                asm!(
                    "tilestored [{s0} + {r}*1], tmm0",
                    "tilestored [{s1} + {r}*1], tmm1",
                    "tilestored [{s2} + {r}*1], tmm2",
                    s0 = in(reg) s0,
                    s1 = in(reg) s1,
                    s2 = in(reg) s2,
                    r = in(reg) TILE_ROW,
                    options(nostack),
                );
            }
        }
    }

    impl Drop for Tiles {
        fn drop(&mut self) {
            #[cfg(test)]
            if !is_available() {
                return;
            }
            // SAFETY: the instruction exists, because a value of this type exists.
            unsafe { asm!("tilerelease", options(nostack, nomem)) };
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod imp {
    use super::{Factor, model};

    /// Whether there are bfloat16 tiles.
    #[cfg(any(test, target_arch = "x86_64"))]
    pub(crate) fn is_available() -> bool {
        false
    }

    /// The model of the tiles, which only tests use.
    pub(crate) struct Tiles(());

    impl Tiles {
        pub fn configure() -> Self {
            Self(())
        }

        /// # Safety
        /// The same as with registers.
        pub unsafe fn two_by_two(
            &self,
            a: ([*const u8; 2], Factor, usize),
            b: ([*const u8; 2], Factor),
            offsets: impl Iterator<Item = usize>,
            sums: [*mut f32; 4],
            is_first: bool,
        ) {
            // SAFETY: ensured by the caller.
            unsafe { model::product(a, b, offsets, sums, is_first) }
        }

        /// # Safety
        /// The same as with registers.
        pub unsafe fn one_by_three(
            &self,
            (a, a_factor, a_step): (*const u8, Factor, usize),
            b: ([*const u8; 3], Factor),
            offsets: impl Iterator<Item = usize>,
            sums: [*mut f32; 3],
            is_first: bool,
        ) {
            // SAFETY: ensured by the caller.
            unsafe { model::product(([a], a_factor, a_step), b, offsets, sums, is_first) }
        }

        /// # Safety
        /// The same as with registers.
        pub unsafe fn three_by_one(
            &self,
            a: ([*const u8; 3], Factor, usize),
            (b, b_factor): (*const u8, Factor),
            offsets: impl Iterator<Item = usize>,
            sums: [*mut f32; 3],
            is_first: bool,
        ) {
            // SAFETY: ensured by the caller.
            unsafe { model::product(a, ([b], b_factor), offsets, sums, is_first) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::halves::split;
    use crate::reference::{noise, skip};

    #[test]
    fn registers_compute_what_their_model_does() {
        if !is_available() {
            return skip("amx", "this processor has no matrix registers");
        }
        // Two steps of two factors each, `[factor][step][half]`.
        let halves = |seed| {
            let mut tiles = vec![0.0; 8 * TILE];
            for (tiles, floats) in
                tiles.chunks_exact_mut(2 * TILE).zip(noise(seed, 8 * TILE).chunks(2 * TILE))
            {
                let (high, low) = tiles.split_at_mut(TILE);
                split(floats, high, low);
            }
            tiles
        };
        let (a, b) = (halves(1), halves(2));
        let factor = Factor { row: TILE_ROW, low: TILE_BYTES };
        let of = |tiles: &[f32]| [0, 4].map(|tile| tiles[tile * TILE..].as_ptr().cast::<u8>());
        let (a, b) = ((of(&a), factor, 2 * TILE_BYTES), (of(&b), factor));
        let offsets = || [0, 2 * TILE_BYTES].into_iter();
        let (mut found, mut expected) = (vec![0.0; 4 * TILE], vec![0.0; 4 * TILE]);
        let tiles = Tiles::configure();
        for is_first in [true, false] {
            let sums = |of: &mut [f32]| [0, 1, 2, 3].map(|tile| of[tile * TILE..].as_mut_ptr());
            // SAFETY: every factor holds two steps of both halves, and every sum is a tile.
            unsafe {
                tiles.two_by_two(a, b, offsets(), sums(&mut found), is_first);
                model::product(a, b, offsets(), sums(&mut expected), is_first);
            }
        }
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
        }
    }
}
