//! Stripes of rows, one per thread.

use std::ops::Range;

use super::layout::Layout;

/// A range of rows and the range of memory that holds them.
#[derive(Debug, Clone)]
pub(super) struct Stripe {
    pub rows: Range<usize>,
    /// Index of the first site of the stripe's memory.
    pub first: usize,
}

/// All rows, divided into stripes of about equal work. A site's result depends only on the sites around it,
/// so the division does not change it.
#[derive(Debug, Clone)]
pub(super) struct Stripes {
    stripes: Vec<Stripe>,
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

impl Stripes {
    pub fn new(layout: &Layout, threads: usize) -> Self {
        let mut stripes = Vec::new();
        cut(layout, 0..layout.height, threads, &mut stripes);
        Self { stripes }
    }

    /// Calls `work` for every stripe with its part of `outputs`; several stripes run in parallel.
    pub fn run<O: Split>(&self, outputs: O, work: impl Fn(&Stripe, O) + Sync) {
        run(&self.stripes, outputs, &work);
    }
}

fn cut(layout: &Layout, rows: Range<usize>, parts: usize, stripes: &mut Vec<Stripe>) {
    if parts < 2 || rows.len() < 2 {
        let first = if rows.start == 0 { 0 } else { layout.index(rows.start, 0) - 1 };
        stripes.push(Stripe { rows, first });
        return;
    }
    let middle = layout.middle(&rows);
    cut(layout, rows.start..middle, parts / 2, stripes);
    cut(layout, middle..rows.end, parts - parts / 2, stripes);
}

fn run<O: Split>(stripes: &[Stripe], outputs: O, work: &(impl Fn(&Stripe, O) + Sync)) {
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
