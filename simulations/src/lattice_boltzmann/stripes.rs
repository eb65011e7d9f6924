//! Stripes of rows, which threads process in parallel.

use std::ops::Range;

use super::boundary::Links;
use super::layout::Layout;
use super::real::Real;
use super::wetting::Wetting;

/// A range of rows and the range of memory that holds them.
#[derive(Debug, Clone)]
pub(super) struct Stripe<T> {
    pub rows: Range<usize>,
    /// Index of the first site of the stripe's memory.
    pub first: usize,
    /// Links and wetting within this memory, with indices from `first`.
    pub links: Links,
    pub wetting: Wetting<T>,
}

/// All rows, divided into stripes of about equal work. A site's result depends only on the sites around it,
/// so the division does not change it.
#[derive(Debug, Clone)]
pub(super) struct Stripes<T> {
    stripes: Vec<Stripe<T>>,
    /// Links and wetting across the stripes, with indices of the whole memory.
    pub links: Links,
    pub wetting: Wetting<T>,
}

/// Memory that can be split in two at a site.
pub(super) trait Split: Sized + Send {
    fn split(self, at: usize) -> (Self, Self);
}

impl<T: Send> Split for &mut [T] {
    fn split(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}

impl<T: Send, const N: usize> Split for [&mut [T]; N] {
    fn split(self, at: usize) -> (Self, Self) {
        let mut after = [const { None }; N];
        let before = {
            let mut rest = after.iter_mut();
            self.map(|values| {
                let (before, behind) = values.split_at_mut(at);
                if let Some(rest) = rest.next() {
                    *rest = Some(behind);
                }
                before
            })
        };
        (before, after.map(Option::unwrap_or_default))
    }
}

impl<A: Split, B: Split> Split for (A, B) {
    fn split(self, at: usize) -> (Self, Self) {
        let ((a, c), (b, d)) = (self.0.split(at), self.1.split(at));
        ((a, b), (c, d))
    }
}

impl<T: Real> Stripes<T> {
    pub fn new(layout: &Layout, count: usize, links: &Links, wetting: &Wetting<T>) -> Self {
        let mut parts = Vec::new();
        cut(layout, 0..layout.height, count, &mut parts);
        let first = |rows: &Range<usize>| if rows.start == 0 { 0 } else { layout.index(rows.start, 0) - 1 };
        let ends = parts.iter().skip(1).map(first).chain([layout.len()]);
        let memories: Vec<_> = parts.iter().map(first).zip(ends).map(|(first, end)| first..end).collect();
        let stripe = |(rows, memory): (Range<usize>, &Range<usize>)| Stripe {
            rows,
            first: memory.start,
            links: links.within(memory),
            wetting: wetting.within(memory),
        };
        Self {
            links: links.across(&memories),
            wetting: wetting.across(&memories),
            stripes: parts.into_iter().zip(&memories).map(stripe).collect(),
        }
    }

    /// Number of stripes.
    pub fn count(&self) -> usize {
        self.stripes.len()
    }

    /// Calls `work` for every stripe with its part of `outputs`; several stripes run in parallel.
    pub fn run<O: Split>(&self, outputs: O, work: impl Fn(&Stripe<T>, O) + Sync) {
        run(&self.stripes, outputs, &work);
    }
}

fn cut(layout: &Layout, rows: Range<usize>, count: usize, parts: &mut Vec<Range<usize>>) {
    if count < 2 || rows.len() < 2 {
        parts.push(rows);
        return;
    }
    let middle = layout.middle(&rows);
    cut(layout, rows.start..middle, count / 2, parts);
    cut(layout, middle..rows.end, count - count / 2, parts);
}

fn run<T: Real, O: Split>(stripes: &[Stripe<T>], outputs: O, work: &(impl Fn(&Stripe<T>, O) + Sync)) {
    match stripes {
        [] => {}
        [stripe] => work(stripe, outputs),
        _ => {
            let (before, behind) = stripes.split_at(stripes.len() / 2);
            let (mine, theirs) = outputs.split(behind[0].first - before[0].first);
            rayon::join(|| run(before, mine, work), || run(behind, theirs, work));
        }
    }
}
