//! SIMD instruction sets, selected at run time.
//!
//! Kernels are written once, generic over [`Simd`], and called through [`Level::run`], which compiles them
//! for each instruction set. All functions between this entry and the intrinsics are `#[inline(always)]`, so
//! that they are compiled with the features of the entry.

use std::sync::OnceLock;

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust, for any processor.
    Portable,
    /// AVX2 with fused multiply-add.
    Avx2,
    /// AVX-512 (F, VL, BW, DQ).
    Avx512,
    /// AVX-512, with convolutions in matrix registers, in which a float is the sum of two bfloat16.
    Amx,
}

impl Level {
    /// The best instruction set of this processor.
    pub fn detected() -> Self {
        static DETECTED: OnceLock<Level> = OnceLock::new();
        *DETECTED.get_or_init(detect)
    }

    /// The instruction set in use: the detected one, or a lower one given by the environment variable
    /// `PORECAST_KERNELS_SIMD` (`portable`, `avx2`, `avx512` or `amx`). The variable is read once.
    ///
    /// # Panics
    /// If the variable has another value.
    pub fn current() -> Self {
        static CURRENT: OnceLock<Level> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let wanted = match std::env::var("PORECAST_KERNELS_SIMD").as_deref() {
                Ok("portable") => Level::Portable,
                Ok("avx2") => Level::Avx2,
                Ok("avx512") => Level::Avx512,
                Ok("amx") | Err(_) => Level::Amx,
                Ok(word) => panic!("PORECAST_KERNELS_SIMD={word}: expected portable, avx2, avx512 or amx"),
            };
            wanted.min(Level::detected())
        })
    }

    /// Every level that tests can run: those of this processor, and matrix registers, for which there is a
    /// model.
    #[cfg(test)]
    pub(crate) fn available() -> Vec<Self> {
        let all = [Level::Portable, Level::Avx2, Level::Avx512];
        all.into_iter().filter(|level| *level <= Level::detected()).chain([Level::Amx]).collect()
    }

    /// Runs `kernel` compiled for this instruction set, or for the detected one if that is lower.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.min(Level::detected()) {
            // SAFETY: the processor has the features, otherwise the minimum would be lower.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Amx => unsafe { x86::run_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::run_avx2(kernel) },
            // SAFETY: the portable instructions are available everywhere.
            _ => unsafe { kernel.run::<Portable<4>>() },
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq");
    match (avx2, avx512) {
        (true, true) if crate::tiles::is_available() => Level::Amx,
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}

/// Work that is compiled for every instruction set. Implementations of `run` must be `#[inline(always)]`.
pub(crate) trait Kernel {
    type Output;

    /// # Safety
    /// The processor has the instructions of `S`; [`Level::run`] is the only caller.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// A vector of [`LANES`](Simd::LANES) floats, and the register tile that fits its register file.
///
/// # Safety of the methods
/// The processor has the instructions; pointers are valid for [`LANES`](Simd::LANES) floats (or `count`
/// floats), at any alignment.
pub(crate) trait Simd: Copy {
    type Vector: Copy;
    const LANES: usize;
    /// Output channels in a register tile (a divisor of 8).
    const ROWS: usize;
    /// Vectors along the width in a register tile (at most 3).
    const COLUMNS: usize;

    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    /// Loads the first `count` floats; the other lanes are zero.
    unsafe fn load_first(from: *const f32, count: usize) -> Self::Vector;
    unsafe fn store(to: *mut f32, value: Self::Vector);
    unsafe fn store_first(to: *mut f32, count: usize, value: Self::Vector);
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// max(a, 0); preserves NaN.
    unsafe fn rectify(a: Self::Vector) -> Self::Vector;
    /// a · b + c
    unsafe fn fma(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Transposes the LANES x LANES block at `from` (rows `from_line` apart) to `to` (rows `to_line` apart).
    unsafe fn transpose(from: *const f32, from_line: usize, to: *mut f32, to_line: usize);
}

/// N floats in plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct Portable<const N: usize>;

impl<const N: usize> Simd for Portable<N> {
    type Vector = [f32; N];
    const LANES: usize = N;
    const ROWS: usize = 4;
    const COLUMNS: usize = 2;

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; N] {
        [value; N]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; N] {
        // SAFETY: the caller ensures N readable floats; no alignment is required.
        unsafe { from.cast::<[f32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> [f32; N] {
        // SAFETY: the caller ensures `count` readable floats.
        std::array::from_fn(|lane| if lane < count { unsafe { from.add(lane).read() } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: [f32; N]) {
        // SAFETY: the caller ensures N writable floats; no alignment is required.
        unsafe { to.cast::<[f32; N]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, count: usize, value: [f32; N]) {
        for (lane, value) in value.into_iter().enumerate().take(count) {
            // SAFETY: the caller ensures `count` writable floats.
            unsafe { to.add(lane).write(value) }
        }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; N], b: [f32; N]) -> [f32; N] {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; N], b: [f32; N]) -> [f32; N] {
        std::array::from_fn(|lane| a[lane] - b[lane])
    }
    #[inline(always)]
    unsafe fn rectify(a: [f32; N]) -> [f32; N] {
        a.map(|a| if a < 0.0 { 0.0 } else { a })
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
        for row in 0..N {
            for column in 0..N {
                // SAFETY: both are inside the N x N blocks ensured by the caller.
                unsafe { *to.add(column * to_line + row) = *from.add(row * from_line + column) }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Kernel, Simd};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    pub(super) fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: this function can only be entered on a processor with these features.
        unsafe { kernel.run::<Avx512>() }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: this function can only be entered on a processor with these features.
        unsafe { kernel.run::<Avx2>() }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx512;

    // SAFETY of every block below: the caller of an `unsafe fn` of `Simd` ensures the instructions and the
    // ranges; loads and stores are unaligned.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Simd for Avx512 {
        type Vector = __m512;
        const LANES: usize = 16;
        const ROWS: usize = 8;
        const COLUMNS: usize = 3;

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> __m512 {
            debug_assert!(count <= 16);
            unsafe { _mm512_maskz_loadu_ps(((1u32 << count) - 1) as __mmask16, from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: __m512) {
            unsafe { _mm512_storeu_ps(to, value) }
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, count: usize, value: __m512) {
            debug_assert!(count <= 16);
            unsafe { _mm512_mask_storeu_ps(to, ((1u32 << count) - 1) as __mmask16, value) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn rectify(a: __m512) -> __m512 {
            // If one operand is NaN, the instruction returns the second one.
            unsafe { _mm512_max_ps(_mm512_setzero_ps(), a) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
            unsafe {
                let mut a = [_mm512_setzero_ps(); 16];
                for (row, a) in a.iter_mut().enumerate() {
                    *a = _mm512_loadu_ps(from.add(row * from_line));
                }
                // Pairs, then quadruples of rows inside each 128-bit lane ...
                let mut b = a;
                for i in 0..8 {
                    b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
                    b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
                }
                for i in 0..4 {
                    let [r0, r1, r2, r3] = [b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]].map(cast_pd);
                    a[4 * i] = cast_ps(_mm512_unpacklo_pd(r0, r2));
                    a[4 * i + 1] = cast_ps(_mm512_unpackhi_pd(r0, r2));
                    a[4 * i + 2] = cast_ps(_mm512_unpacklo_pd(r1, r3));
                    a[4 * i + 3] = cast_ps(_mm512_unpackhi_pd(r1, r3));
                }
                // ... then the 4 x 4 arrangement of the lanes.
                for i in 0..4 {
                    b[i] = _mm512_shuffle_f32x4::<0x88>(a[i], a[i + 4]);
                    b[i + 4] = _mm512_shuffle_f32x4::<0xdd>(a[i], a[i + 4]);
                    b[i + 8] = _mm512_shuffle_f32x4::<0x88>(a[i + 8], a[i + 12]);
                    b[i + 12] = _mm512_shuffle_f32x4::<0xdd>(a[i + 8], a[i + 12]);
                }
                for i in 0..4 {
                    let rows = [
                        _mm512_shuffle_f32x4::<0x88>(b[i], b[i + 8]),
                        _mm512_shuffle_f32x4::<0x88>(b[i + 4], b[i + 12]),
                        _mm512_shuffle_f32x4::<0xdd>(b[i], b[i + 8]),
                        _mm512_shuffle_f32x4::<0xdd>(b[i + 4], b[i + 12]),
                    ];
                    for (quarter, row) in rows.into_iter().enumerate() {
                        _mm512_storeu_ps(to.add((4 * quarter + i) * to_line), row);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn cast_pd(value: __m512) -> __m512d {
        // SAFETY: same size, every bit pattern valid.
        unsafe { std::mem::transmute(value) }
    }

    #[inline(always)]
    fn cast_ps(value: __m512d) -> __m512 {
        // SAFETY: same size, every bit pattern valid.
        unsafe { std::mem::transmute(value) }
    }

    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn first_lanes(count: usize) -> __m256i {
        debug_assert!(count <= 8);
        // SAFETY: ensured by the caller.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lanes)
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2;

    // SAFETY: as for `Avx512`.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Simd for Avx2 {
        type Vector = __m256;
        const LANES: usize = 8;
        const ROWS: usize = 4;
        const COLUMNS: usize = 3;

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> __m256 {
            unsafe { _mm256_maskload_ps(from, first_lanes(count)) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: __m256) {
            unsafe { _mm256_storeu_ps(to, value) }
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, count: usize, value: __m256) {
            unsafe { _mm256_maskstore_ps(to, first_lanes(count), value) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn rectify(a: __m256) -> __m256 {
            // If one operand is NaN, the instruction returns the second one.
            unsafe { _mm256_max_ps(_mm256_setzero_ps(), a) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
            unsafe {
                let mut a = [_mm256_setzero_ps(); 8];
                for (row, a) in a.iter_mut().enumerate() {
                    *a = _mm256_loadu_ps(from.add(row * from_line));
                }
                let mut b = a;
                for i in 0..4 {
                    b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
                    b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
                }
                for i in 0..2 {
                    a[4 * i] = _mm256_shuffle_ps::<0x44>(b[4 * i], b[4 * i + 2]);
                    a[4 * i + 1] = _mm256_shuffle_ps::<0xee>(b[4 * i], b[4 * i + 2]);
                    a[4 * i + 2] = _mm256_shuffle_ps::<0x44>(b[4 * i + 1], b[4 * i + 3]);
                    a[4 * i + 3] = _mm256_shuffle_ps::<0xee>(b[4 * i + 1], b[4 * i + 3]);
                }
                for i in 0..4 {
                    let low = _mm256_permute2f128_ps::<0x20>(a[i], a[i + 4]);
                    let high = _mm256_permute2f128_ps::<0x31>(a[i], a[i + 4]);
                    _mm256_storeu_ps(to.add(i * to_line), low);
                    _mm256_storeu_ps(to.add((i + 4) * to_line), high);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Transpose;

    impl Kernel for Transpose {
        type Output = ();

        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            let line = S::LANES + 3;
            let from: Vec<f32> = (0..S::LANES * line).map(|i| i as f32).collect();
            let mut to = vec![-1.0; S::LANES * line];
            // SAFETY: both hold LANES rows of LANES floats, `line` apart.
            unsafe { S::transpose(from.as_ptr(), line, to.as_mut_ptr(), line) };
            for row in 0..S::LANES {
                for column in 0..S::LANES {
                    assert_eq!(to[column * line + row], from[row * line + column]);
                }
            }
        }
    }

    #[test]
    fn transpose_exchanges_rows_and_columns() {
        for level in Level::available() {
            level.run(Transpose);
        }
    }

    struct First;

    impl Kernel for First {
        type Output = ();

        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            for count in 0..=S::LANES {
                let mut to = vec![0.0; S::LANES];
                // SAFETY: `to` holds LANES >= count floats.
                unsafe { S::store_first(to.as_mut_ptr(), count, S::splat(1.0)) };
                assert_eq!(to.iter().sum::<f32>(), count as f32);
                assert!(to[..count].iter().all(|&value| value == 1.0));
                let mut back = vec![-1.0; S::LANES];
                let from = vec![1.0; count];
                // SAFETY: `from` holds count floats, `back` LANES.
                unsafe { S::store(back.as_mut_ptr(), S::load_first(from.as_ptr(), count)) };
                assert_eq!(back, to);
            }
        }
    }

    #[test]
    fn partial_loads_and_stores_touch_nothing_else() {
        for level in Level::available() {
            level.run(First);
        }
    }
}
