//! A slice whose disjoint parts are written by several tasks.

use std::marker::PhantomData;

/// A mutable slice shared between tasks. Creating a range is safe; when using it, the caller must ensure that
/// no other task accesses it at the same time.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: the slice is borrowed exclusively for 'a. Every access through `Shared` is unsafe, and the caller
// ensures that it is disjoint from those of other tasks.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The part of `len` elements at `offset`.
    ///
    /// # Panics
    /// If the part is not inside the slice.
    pub fn part(&self, offset: usize, len: usize) -> Self {
        assert!(offset <= self.len && len <= self.len - offset, "part outside the slice");
        // SAFETY: checked above.
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
    /// If they are not inside the slice.
    #[allow(clippy::mut_from_ref)] // The exclusive access is what the caller promises.
    pub unsafe fn slice(&self, offset: usize, len: usize) -> &'a mut [T] {
        let part = self.part(offset, len);
        // SAFETY: inside the slice, which is borrowed for 'a; the caller ensures exclusive access.
        unsafe { std::slice::from_raw_parts_mut(part.start, len) }
    }
}
