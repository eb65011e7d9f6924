//! Mirrored and transposed views of an image, and the way back for their predictions.

use ndarray::{Array3, ArrayView3, Axis};

use porecast_store::config::segmentation::Views;

/// One of the eight symmetries of a square: an optional transposition, then optional mirrors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    transposed: bool,
    upside_down: bool,
    across: bool,
}

impl View {
    /// The views that are averaged, the image itself first.
    pub fn of(views: Views) -> Vec<Self> {
        let (transposed, mirrored): (&[bool], &[bool]) = match views {
            Views::One => (&[false], &[false]),
            Views::Flips => (&[false], &[false, true]),
            Views::FlipsAndTurns => (&[false, true], &[false, true]),
        };
        let mut all = Vec::new();
        for &transposed in transposed {
            for &upside_down in mirrored {
                for &across in mirrored {
                    all.push(Self { transposed, upside_down, across });
                }
            }
        }
        all
    }

    /// The view of an image `[channel, y, x]`.
    pub fn turn(self, image: ArrayView3<'_, f32>) -> Array3<f32> {
        let mut view = image;
        if self.transposed {
            view.swap_axes(1, 2);
        }
        self.mirror(&mut view);
        view.as_standard_layout().into_owned()
    }

    /// Maps the prediction for the view back onto the image.
    pub fn back(self, prediction: ArrayView3<'_, f32>) -> Array3<f32> {
        let mut view = prediction;
        self.mirror(&mut view);
        if self.transposed {
            view.swap_axes(1, 2);
        }
        view.as_standard_layout().into_owned()
    }

    fn mirror(self, view: &mut ArrayView3<'_, f32>) {
        if self.upside_down {
            view.invert_axis(Axis(1));
        }
        if self.across {
            view.invert_axis(Axis(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_is_another_one_and_is_turned_back() {
        let image = Array3::from_shape_fn((2, 3, 4), |(c, y, x)| (100 * c + 10 * y + x) as f32);
        for (views, count) in [(Views::One, 1), (Views::Flips, 4), (Views::FlipsAndTurns, 8)] {
            let views = View::of(views);
            let seen: Vec<_> = views.iter().map(|view| view.turn(image.view())).collect();
            assert_eq!(views.len(), count);
            assert!((0..count).all(|i| (0..i).all(|j| seen[i] != seen[j])));
            assert_eq!(seen[0], image);
            for (view, seen) in views.iter().zip(&seen) {
                assert_eq!(view.back(seen.view()), image);
            }
        }
    }
}
