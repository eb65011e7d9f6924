//! A slice that several tasks write, each its own part.

use std::marker::PhantomData;

/// A mutable slice shared between tasks. Handing out a range is safe; using it is the caller's promise that no other
/// task touches it at the same time.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: the slice is borrowed exclusively for 'a, and every access through `Shared` is unsafe and promised to be
// disjoint from those of other tasks.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// The part of `len` elements at `offset`.
    ///
    /// # Panics
    /// When it is not inside the slice.
    pub fn part(&self, offset: usize, len: usize) -> Self {
        assert!(offset <= self.len && len <= self.len - offset, "part outside the slice");
        // SAFETY: just checked.
        Self { start: unsafe { self.start.add(offset) }, len, lifetime: PhantomData }
    }

    /// A pointer to the `len` elements at `offset`.
    pub fn pointer(&self, offset: usize, len: usize) -> *mut T {
        debug_assert!(offset <= self.len && len <= self.len - offset, "range outside the slice");
        self.start.wrapping_add(offset)
    }

    /// The `len` elements at `offset`.
    ///
    /// # Safety
    /// No other task accesses them while the slice lives.
    ///
    /// # Panics
    /// When they are not inside the slice.
    #[allow(clippy::mut_from_ref)] // The exclusive access is what the caller promises.
    pub unsafe fn slice(&self, offset: usize, len: usize) -> &'a mut [T] {
        let part = self.part(offset, len);
        // SAFETY: inside the slice, which is borrowed for 'a; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(part.start, len) }
    }
}
