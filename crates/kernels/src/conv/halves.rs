//! Splits floats into two bfloat16 halves, in the layouts required by tile products.
//!
//! The high half is the float rounded to bfloat16; the low half is the remainder, rounded again. Together
//! they have sixteen significant bits. Infinities and NaN are not preserved as finite values.

/// Halves of two rows as interleaved pairs `[a₀ b₀ a₁ b₁ ...]`, one pair in the bits of each float; zeros
/// after the rows.
///
/// # Panics
/// If the processor has no bfloat16, or the lengths do not match.
pub(crate) fn split_pairs(a: &[f32], b: &[f32], high: &mut [f32], low: &mut [f32]) {
    assert!(a.len() == b.len() && a.len() <= high.len() && high.len() == low.len());
    #[cfg(test)]
    if !crate::tiles::is_available() {
        return model::split_pairs(a, b, high, low);
    }
    imp::split_pairs(a, b, high, low);
}

/// Halves of a row in the order of the row, two in the bits of each float.
///
/// # Panics
/// If the processor has no bfloat16, the lengths do not match, or they are not multiples of 32.
pub(crate) fn split(a: &[f32], high: &mut [f32], low: &mut [f32]) {
    assert!(a.len() == 2 * high.len() && a.len() == 2 * low.len() && a.len().is_multiple_of(32));
    #[cfg(test)]
    if !crate::tiles::is_available() {
        return model::split(a, high, low);
    }
    imp::split(a, high, low);
}

#[cfg(target_arch = "x86_64")]
mod imp {
    use std::arch::x86_64::*;

    pub fn split_pairs(a: &[f32], b: &[f32], high: &mut [f32], low: &mut [f32]) {
        assert!(crate::tiles::is_available());
        // SAFETY: a processor with tiles has these instructions.
        unsafe { pairs(a, b, high, low) }
    }

    pub fn split(a: &[f32], high: &mut [f32], low: &mut [f32]) {
        assert!(crate::tiles::is_available());
        // SAFETY: a processor with tiles has these instructions.
        unsafe { row(a, high, low) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn pairs(a: &[f32], b: &[f32], high: &mut [f32], low: &mut [f32]) {
        debug_assert!(b.len() == a.len() && high.len() >= a.len() && low.len() == high.len());
        // Interleaves sixteen halves of a with sixteen of b.
        let mut order = [0u16; 32];
        for (place, order) in order.iter_mut().enumerate() {
            *order = (place / 2 + place % 2 * 16) as u16;
        }
        // SAFETY: the array is 64 bytes.
        let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
        // Mask of those of the sixteen lanes from `first` on that are below `end`.
        let mask = |first: usize, end: usize| ((1u32 << end.saturating_sub(first).min(16)) - 1) as u16;
        for first in (0..high.len()).step_by(16) {
            let (there, mask) = (mask(first, a.len()), mask(first, high.len()));
            // SAFETY: the masks limit accesses to the floats of each slice; masked lanes are not accessed.
            unsafe {
                let a = _mm512_maskz_loadu_ps(there, a.as_ptr().wrapping_add(first));
                let b = _mm512_maskz_loadu_ps(there, b.as_ptr().wrapping_add(first));
                let pairs = _mm512_permutexvar_epi16(order, halves(a, b));
                let rest = halves(
                    _mm512_sub_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs))),
                    _mm512_sub_ps(b, _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(-65536)))),
                );
                let rest = _mm512_permutexvar_epi16(order, rest);
                _mm512_mask_storeu_epi32(high.as_mut_ptr().add(first).cast(), mask, pairs);
                _mm512_mask_storeu_epi32(low.as_mut_ptr().add(first).cast(), mask, rest);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn row(a: &[f32], high: &mut [f32], low: &mut [f32]) {
        let (high, low) = (high.as_chunks_mut::<16>().0, low.as_chunks_mut::<16>().0);
        for ((a, high), low) in a.as_chunks::<32>().0.iter().zip(high).zip(low) {
            // SAFETY: thirty-two floats to twice sixteen.
            unsafe {
                let (first, second) = (_mm512_loadu_ps(a.as_ptr()), _mm512_loadu_ps(a.as_ptr().add(16)));
                let both = halves(first, second);
                let float = |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
                let rest = halves(
                    _mm512_sub_ps(first, float(_mm512_castsi512_si256(both))),
                    _mm512_sub_ps(second, float(_mm512_extracti64x4_epi64::<1>(both))),
                );
                _mm512_storeu_si512(high.as_mut_ptr().cast(), both);
                _mm512_storeu_si512(low.as_mut_ptr().cast(), rest);
            }
        }
    }

    /// Rounds sixteen floats and sixteen more.
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn halves(first: __m512, second: __m512) -> __m512i {
        // SAFETY: both types are 64 bytes of plain bits.
        unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(second, first)) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
use model as imp;

/// The same in plain Rust, for tests where the processor has no bfloat16.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod model {
    pub fn split_pairs(a: &[f32], b: &[f32], high: &mut [f32], low: &mut [f32]) {
        for (index, (high, low)) in high.iter_mut().zip(low).enumerate() {
            let float = |row: &[f32]| row.get(index).copied().unwrap_or(0.0);
            [*high, *low] = pair(float(a), float(b));
        }
    }

    pub fn split(a: &[f32], high: &mut [f32], low: &mut [f32]) {
        for ((&[first, second], high), low) in a.as_chunks().0.iter().zip(high).zip(low) {
            [*high, *low] = pair(first, second);
        }
    }

    /// The high and the low halves of two floats; those of the first float are in the lower bits.
    fn pair(first: f32, second: f32) -> [f32; 2] {
        let high = [first, second].map(rounded);
        let low = [rounded(first - high[0]), rounded(second - high[1])];
        [high, low].map(|[first, second]| f32::from_bits(first.to_bits() >> 16 | second.to_bits()))
    }

    /// A float rounded to bfloat16, ties to even.
    fn rounded(float: f32) -> f32 {
        let bits = float.to_bits();
        match float.is_nan() {
            true => f32::from_bits((bits | 0x0040_0000) & 0xffff_0000),
            false => f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::noise;

    fn halves_of(bits: f32) -> [f32; 2] {
        [f32::from_bits(bits.to_bits() << 16), f32::from_bits(bits.to_bits() & 0xffff_0000)]
    }

    #[test]
    fn halves_add_up_to_sixteen_bits_of_the_float() {
        let (a, b) = (noise(1, 64), noise(2, 64));
        let (mut high, mut low) = (vec![0.0; 64], vec![0.0; 64]);
        split_pairs(&a, &b, &mut high, &mut low);
        for i in 0..64 {
            let (high, low) = (halves_of(high[i]), halves_of(low[i]));
            for (float, half) in [(a[i], 0), (b[i], 1)] {
                assert!((high[half] + low[half] - float).abs() <= float.abs() / 65536.0);
            }
        }
        let (mut high, mut low) = (vec![0.0; 32], vec![0.0; 32]);
        split(&a, &mut high, &mut low);
        for (i, &float) in a.iter().enumerate() {
            let sum = halves_of(high[i / 2])[i % 2] + halves_of(low[i / 2])[i % 2];
            assert!((sum - float).abs() <= float.abs() / 65536.0);
        }
        split_pairs(&[f32::NAN; 16], &[f32::INFINITY; 16], &mut high[..16], &mut low[..16]);
        assert!(halves_of(high[3])[0].is_nan() && !halves_of(high[3])[1].is_finite());
    }
}
