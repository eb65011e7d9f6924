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
    /// NEON, which every 64-bit ARM processor has.
    Neon,
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
    /// `PORECAST_KERNELS_SIMD` (`portable`, `avx2`, `avx512` or `amx`; on ARM, all but `portable` mean NEON). The
    /// variable is read once.
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
        let all = match cfg!(target_arch = "aarch64") {
            true => vec![Level::Portable, Level::Neon],
            false => vec![Level::Portable, Level::Avx2, Level::Avx512],
        };
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
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { kernel.run::<neon::Neon>() },
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
    if cfg!(target_arch = "aarch64") { Level::Neon } else { Level::Portable }
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
    /// Stores past the caches, if a vector is a whole cache line; `to` is aligned to it. Until [`fence`](Self::fence), no
    /// one may read it.
    #[inline(always)]
    unsafe fn stream(to: *mut f32, value: Self::Vector) {
        // SAFETY: ensured by the caller.
        unsafe { Self::store(to, value) }
    }
    /// Ends a sequence of [`stream`](Self::stream).
    #[inline(always)]
    unsafe fn fence() {}
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// max(a, 0); preserves NaN.
    unsafe fn rectify(a: Self::Vector) -> Self::Vector;
    /// a · b + c
    unsafe fn fma(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// Transposes the LANES x LANES block at `from` (rows `from_line` apart) to `to` (rows `to_line` apart).
    unsafe fn transpose(from: *const f32, from_line: usize, to: *mut f32, to_line: usize);
    /// Loads 4 x LANES floats; vector i gets every fourth from the i-th on.
    unsafe fn load_apart(from: *const f32) -> [Self::Vector; 4];
    /// The reverse of [`load_apart`](Self::load_apart).
    unsafe fn store_apart(to: *mut f32, values: [Self::Vector; 4]);
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
    #[inline(always)]
    unsafe fn load_apart(from: *const f32) -> [[f32; N]; 4] {
        // SAFETY: the caller ensures 4 N readable floats.
        std::array::from_fn(|i| std::array::from_fn(|lane| unsafe { from.add(4 * lane + i).read() }))
    }
    #[inline(always)]
    unsafe fn store_apart(to: *mut f32, values: [[f32; N]; 4]) {
        for (i, values) in values.into_iter().enumerate() {
            for (lane, value) in values.into_iter().enumerate() {
                // SAFETY: the caller ensures 4 N writable floats.
                unsafe { to.add(4 * lane + i).write(value) }
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
        unsafe fn stream(to: *mut f32, value: __m512) {
            debug_assert!(to.cast::<__m512>().is_aligned());
            unsafe { _mm512_stream_ps(to, value) }
        }
        #[inline(always)]
        unsafe fn fence() {
            unsafe { _mm_sfence() }
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
        #[inline(always)]
        unsafe fn load_apart(from: *const f32) -> [__m512; 4] {
            unsafe {
                let [a, b, c, d] = [0, 16, 32, 48].map(|first| _mm512_loadu_ps(from.add(first)));
                // The first and second, and the third and fourth, of each quadruple of two vectors.
                let low = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
                let high = _mm512_setr_epi32(2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31);
                let [a, b, c, d] = [
                    _mm512_permutex2var_ps(a, low, b),
                    _mm512_permutex2var_ps(c, low, d),
                    _mm512_permutex2var_ps(a, high, b),
                    _mm512_permutex2var_ps(c, high, d),
                ];
                [
                    _mm512_shuffle_f32x4::<0x44>(a, b),
                    _mm512_shuffle_f32x4::<0xee>(a, b),
                    _mm512_shuffle_f32x4::<0x44>(c, d),
                    _mm512_shuffle_f32x4::<0xee>(c, d),
                ]
            }
        }
        #[inline(always)]
        unsafe fn store_apart(to: *mut f32, [a, b, c, d]: [__m512; 4]) {
            unsafe {
                let first = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
                let second = _mm512_setr_epi32(4, 12, 20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31);
                let low = [_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d)];
                let high = [_mm512_shuffle_f32x4::<0xee>(a, b), _mm512_shuffle_f32x4::<0xee>(c, d)];
                _mm512_storeu_ps(to, _mm512_permutex2var_ps(low[0], first, low[1]));
                _mm512_storeu_ps(to.add(16), _mm512_permutex2var_ps(low[0], second, low[1]));
                _mm512_storeu_ps(to.add(32), _mm512_permutex2var_ps(high[0], first, high[1]));
                _mm512_storeu_ps(to.add(48), _mm512_permutex2var_ps(high[0], second, high[1]));
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
        // With three columns all sixteen registers are taken, and the compiler spills one in the innermost loop.
        const COLUMNS: usize = 2;

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
        #[inline(always)]
        unsafe fn load_apart(from: *const f32) -> [__m256; 4] {
            unsafe {
                // Quadruple i in the lower half, i + 4 in the upper one.
                let quads: [__m256; 4] =
                    std::array::from_fn(|i| _mm256_loadu2_m128(from.add(4 * i + 16), from.add(4 * i)));
                exchange(quads)
            }
        }
        #[inline(always)]
        unsafe fn store_apart(to: *mut f32, values: [__m256; 4]) {
            unsafe {
                for (i, quads) in exchange(values).into_iter().enumerate() {
                    _mm256_storeu2_m128(to.add(4 * i + 16), to.add(4 * i), quads);
                }
            }
        }
    }

    /// Transposes the 4 x 4 floats of each half.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn exchange([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        // SAFETY: ensured by the caller.
        unsafe {
            let low = [_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d)];
            let high = [_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d)];
            [
                _mm256_shuffle_ps::<0x44>(low[0], low[1]),
                _mm256_shuffle_ps::<0xee>(low[0], low[1]),
                _mm256_shuffle_ps::<0x44>(high[0], high[1]),
                _mm256_shuffle_ps::<0xee>(high[0], high[1]),
            ]
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::Simd;
    use std::arch::aarch64::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Neon;

    // SAFETY of every block below: NEON belongs to the architecture; the caller of an `unsafe fn` of `Simd` ensures the
    // ranges; loads and stores are unaligned.
    #[allow(clippy::undocumented_unsafe_blocks)]
    impl Simd for Neon {
        type Vector = float32x4_t;
        const LANES: usize = 4;
        const ROWS: usize = 8;
        const COLUMNS: usize = 3;

        #[inline(always)]
        unsafe fn splat(value: f32) -> float32x4_t {
            unsafe { vdupq_n_f32(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> float32x4_t {
            unsafe { vld1q_f32(from) }
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> float32x4_t {
            let mut lanes = [0.0; 4];
            for (lane, to) in lanes.iter_mut().enumerate().take(count) {
                *to = unsafe { from.add(lane).read() };
            }
            unsafe { vld1q_f32(lanes.as_ptr()) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: float32x4_t) {
            unsafe { vst1q_f32(to, value) }
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, count: usize, value: float32x4_t) {
            let mut lanes = [0.0; 4];
            unsafe { vst1q_f32(lanes.as_mut_ptr(), value) }
            for (lane, value) in lanes.into_iter().enumerate().take(count) {
                unsafe { to.add(lane).write(value) }
            }
        }
        #[inline(always)]
        unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
            unsafe { vaddq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
            unsafe { vsubq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn rectify(a: float32x4_t) -> float32x4_t {
            unsafe { vmaxq_f32(a, vdupq_n_f32(0.0)) }
        }
        #[inline(always)]
        unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
            unsafe { vfmaq_f32(c, a, b) }
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_line: usize, to: *mut f32, to_line: usize) {
            unsafe {
                let rows: [float32x4_t; 4] = std::array::from_fn(|row| vld1q_f32(from.add(row * from_line)));
                // Pairs of rows, then pairs of pairs.
                let even = [vtrn1q_f32(rows[0], rows[1]), vtrn1q_f32(rows[2], rows[3])].map(halves);
                let odd = [vtrn2q_f32(rows[0], rows[1]), vtrn2q_f32(rows[2], rows[3])].map(halves);
                let columns = [
                    vzip1q_f64(even[0], even[1]),
                    vzip1q_f64(odd[0], odd[1]),
                    vzip2q_f64(even[0], even[1]),
                    vzip2q_f64(odd[0], odd[1]),
                ];
                for (column, values) in columns.into_iter().enumerate() {
                    vst1q_f32(to.add(column * to_line), vreinterpretq_f32_f64(values));
                }
            }
        }
        #[inline(always)]
        unsafe fn load_apart(from: *const f32) -> [float32x4_t; 4] {
            let float32x4x4_t(a, b, c, d) = unsafe { vld4q_f32(from) };
            [a, b, c, d]
        }
        #[inline(always)]
        unsafe fn store_apart(to: *mut f32, [a, b, c, d]: [float32x4_t; 4]) {
            unsafe { vst4q_f32(to, float32x4x4_t(a, b, c, d)) }
        }
    }

    #[inline(always)]
    fn halves(value: float32x4_t) -> float64x2_t {
        // SAFETY: NEON belongs to the architecture.
        unsafe { vreinterpretq_f64_f32(value) }
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

    struct Apart;

    impl Kernel for Apart {
        type Output = ();

        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            let from: Vec<f32> = (0..4 * S::LANES).map(|i| i as f32).collect();
            let (mut part, mut back) = (vec![-1.0; S::LANES], vec![-1.0; 4 * S::LANES]);
            // SAFETY: the vectors hold four times LANES floats, or once.
            unsafe {
                let values = S::load_apart(from.as_ptr());
                for (i, &value) in values.iter().enumerate() {
                    S::store(part.as_mut_ptr(), value);
                    assert!(part.iter().enumerate().all(|(lane, &value)| value == (4 * lane + i) as f32));
                }
                S::store_apart(back.as_mut_ptr(), values);
            }
            assert_eq!(back, from);
        }
    }

    #[test]
    fn every_fourth_float_is_loaded_and_stored() {
        for level in Level::available() {
            level.run(Apart);
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
