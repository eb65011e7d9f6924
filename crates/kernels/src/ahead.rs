//! Input that is fetched into the second-level cache while something else is computed.

/// Floats of a cache line.
pub(crate) const LINE: usize = 16;

/// Slices, dealt out in equal parts. The processor's own prefetching ends with each page of 4 KiB.
#[derive(Default)]
pub(crate) struct Ahead<'a> {
    now: &'a [f32],
    later: Vec<&'a [f32]>,
    /// Floats of a part.
    each: usize,
}

impl<'a> Ahead<'a> {
    /// Slices of equal length, the last one first, in at most so many parts.
    pub fn new(slices: Vec<&'a [f32]>, parts: usize) -> Self {
        let of_slice = (parts / slices.len().max(1)).max(1);
        let len = slices.first().map_or(0, |slice| slice.len());
        Self { now: &[], later: slices, each: len.div_ceil(of_slice).next_multiple_of(LINE) }
    }

    /// The next part; empty at the end.
    #[inline(always)]
    pub fn part(&mut self) -> &'a [f32] {
        if self.now.is_empty() {
            self.now = self.later.pop().unwrap_or_default();
        }
        let (part, rest) = self.now.split_at(self.each.min(self.now.len()));
        self.now = rest;
        part
    }
}

/// Asks for the cache line of a float.
#[inline(always)]
pub(crate) fn fetch(float: &f32) {
    // SAFETY: the instruction, which every 64-bit x86 processor has, changes nothing but the caches.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(float).cast());
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("prfm pldl2keep, [{}]", in(reg) float, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = float;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_dealt_out_whole_the_last_one_first() {
        let floats: Vec<f32> = (0..300).map(|index| index as f32).collect();
        for parts in [1, 3, 7, 50] {
            let mut ahead = Ahead::new(floats.chunks(100).collect(), parts);
            let dealt: Vec<&[f32]> =
                std::iter::repeat_with(|| ahead.part()).take_while(|part| !part.is_empty()).collect();
            assert!(dealt.len() <= parts.max(3), "{} of {parts} parts", dealt.len());
            let expected = [&floats[200..], &floats[100..200], &floats[..100]].concat();
            assert_eq!(dealt.concat(), expected);
        }
    }
}
