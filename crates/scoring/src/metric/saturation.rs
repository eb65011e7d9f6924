//! Saturation of the invading phase.

use ndarray::{ArrayView2, Zip};

/// Invaded pore pixels over pore pixels, S = |invaded ∩ pore| / |pore|; 0 when there is no pore.
///
/// A fraction of the pore space, never of the image.
///
/// # Panics
/// The shapes differ.
pub fn saturation(invaded: ArrayView2<bool>, pore: ArrayView2<bool>) -> f64 {
    let (mut filled, mut pores) = (0u64, 0u64);
    Zip::from(&invaded).and(&pore).for_each(|&invaded, &pore| {
        pores += u64::from(pore);
        filled += u64::from(pore && invaded);
    });
    if pores == 0 { 0.0 } else { filled as f64 / pores as f64 }
}

/// Expected saturation, the mean probability over the pore space; 0 when there is no pore.
///
/// It estimates the saturation better than the pixels above one half do: where several fingers compete, none of them may
/// reach one half, or all of them.
///
/// # Panics
/// The shapes differ.
pub fn expected(probability: ArrayView2<f32>, pore: ArrayView2<bool>) -> f64 {
    let (mut sum, mut pores) = (0.0, 0u64);
    Zip::from(&probability).and(&pore).for_each(|&probability, &pore| {
        pores += u64::from(pore);
        sum += if pore { f64::from(probability) } else { 0.0 };
    });
    if pores == 0 { 0.0 } else { sum / pores as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_expectation_is_the_mean_probability_of_the_pores() {
        let pore = array![[true, true], [true, false]];
        assert_eq!(expected(array![[0.75, 0.25], [0.5, 1.0]].view(), pore.view()), 0.5);
        assert_eq!(expected(array![[1.0, 0.0], [0.0, 1.0]].view(), pore.view()), 1.0 / 3.0);
        assert_eq!(expected(array![[1.0f32]].view(), array![[false]].view()), 0.0);
    }

    #[test]
    fn counts_pore_only() {
        let pore = array![[true, true], [true, false]];
        assert_eq!(saturation(array![[true, false], [false, true]].view(), pore.view()), 1.0 / 3.0);
        assert_eq!(saturation(pore.view(), pore.view()), 1.0);
        assert_eq!(saturation(pore.view(), array![[false, false], [false, false]].view()), 0.0);
    }
}
