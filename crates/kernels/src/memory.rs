//! Reusable buffers.
//!
//! Fresh memory costs a page fault at the first access of each page, which takes as long as the kernels need to fill it.
//! Output buffers are therefore parts of large blocks and return to a pool when their last tensor is dropped. All threads
//! share the pool. Blocks lie on huge pages where the system has them: a row of pixels of many channels is on as many
//! small pages, more than the processor remembers.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{LazyLock, Mutex};

use burn_flex::FlexTensor;
use burn_std::{AllocationController, AllocationProperty, Bytes, DType, Shape};

/// Size of a cache line and of the widest vector.
const ALIGNMENT: usize = 64;
/// Blocks are whole pages, so that buffers of similar size can share them.
const GRANULE: usize = 4096;

/// A huge page. Blocks of the pool are whole ones.
const HUGE: usize = 2 << 20;

/// A buffer of floats from the pool, with unspecified contents.
pub(crate) struct Buffer {
    start: NonNull<u8>,
    /// Size of its place in a block.
    bytes: usize,
    len: usize,
}

// SAFETY: a buffer owns its part of a block and nothing else points into it.
unsafe impl Send for Buffer {}
// SAFETY: a shared buffer only hands out shared slices.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer of `len` floats that the caller is going to overwrite.
    pub fn uninitialised(len: usize) -> Self {
        let bytes = (len * size_of::<f32>()).max(1).next_multiple_of(GRANULE);
        let mut buffer = Self { start: pool().take(bytes), bytes, len };
        if cfg!(test) {
            // NaN reveals kernels that leave part of their output unwritten.
            buffer.fill(f32::NAN);
        }
        buffer
    }

    /// Converts the buffer to a tensor of this shape without copying.
    ///
    /// # Panics
    /// If the shape has a different number of elements.
    pub fn into_tensor(self, shape: impl Into<Shape>) -> FlexTensor {
        let shape = shape.into();
        assert_eq!(shape.num_elements(), self.len, "buffer and shape differ in size");
        let len = self.len * size_of::<f32>();
        // SAFETY: the buffer holds at least `len` bytes, all initialised since its block was zeroed.
        let bytes = unsafe { Bytes::from_controller(Box::new(self), len) };
        FlexTensor::new(bytes, burn_flex::Layout::contiguous(shape), DType::F32)
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the buffer is aligned, initialised, at least `len` floats long and owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        pool().give(self.start, self.bytes);
    }
}

impl AllocationController for Buffer {
    fn alloc_align(&self) -> usize {
        ALIGNMENT
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the buffer is `bytes` long and owned by `self`, borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.bytes) }
    }

    fn memory(&self) -> &[MaybeUninit<u8>] {
        // SAFETY: the buffer is `bytes` long and owned by `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.bytes) }
    }
}

/// Memory from the allocator, initialised, freed when dropped.
struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block owns its memory; who uses a part of it owns that part.
unsafe impl Send for Block {}

impl Block {
    /// A block of at least `bytes`; from an eighth of a huge page on, whole huge pages.
    fn allocate(bytes: usize) -> Self {
        let is_huge = bytes >= HUGE / 8;
        let bytes = bytes.next_multiple_of(if is_huge { HUGE } else { GRANULE });
        let layout = Self::layout(bytes);
        // SAFETY: `bytes` is positive.
        let start = unsafe { alloc(layout) };
        let start = NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the memory was just allocated. The advice changes only the size of its pages; without it, all works
        // as well.
        unsafe {
            #[cfg(target_os = "linux")]
            if is_huge {
                libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
            }
            start.write_bytes(0, bytes);
        }
        Self { start, bytes }
    }

    fn layout(bytes: usize) -> Layout {
        let alignment = if bytes.is_multiple_of(HUGE) { HUGE } else { ALIGNMENT };
        Layout::from_size_align(bytes, alignment).expect("a buffer is smaller than the address space")
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `allocate` with the same layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) }
    }
}

/// Blocks and their idle parts.
#[derive(Default)]
struct Parts {
    blocks: BTreeMap<NonNull<u8>, Block>,
    /// Idle parts and their sizes; neighbours in a block are joined.
    idle: BTreeMap<NonNull<u8>, usize>,
    used_bytes: usize,
    most_used_bytes: usize,
}

// SAFETY: the pointers are to memory of the blocks.
unsafe impl Send for Parts {}

struct Pool(Mutex<Parts>);

fn pool() -> &'static Pool {
    static POOL: LazyLock<Pool> = LazyLock::new(|| Pool(Mutex::default()));
    &POOL
}

impl Pool {
    fn take(&self, bytes: usize) -> NonNull<u8> {
        self.lock().take(bytes)
    }

    fn give(&self, start: NonNull<u8>, bytes: usize) {
        self.lock().give(start, bytes);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Parts> {
        // No code panics while the lock is held, so a poisoned lock still has a consistent value.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Parts {
    /// The smallest idle part that holds `bytes`, cut to this size.
    fn take(&mut self, bytes: usize) -> NonNull<u8> {
        self.used_bytes += bytes;
        self.most_used_bytes = self.most_used_bytes.max(self.used_bytes);
        let fit = self.idle.iter().filter(|&(_, &size)| size >= bytes).min_by_key(|&(_, &size)| size);
        let (start, size) = match fit {
            Some((&start, &size)) => (start, size),
            None => self.grow(bytes),
        };
        self.idle.remove(&start);
        if size > bytes {
            // SAFETY: inside the part.
            self.idle.insert(unsafe { start.add(bytes) }, size - bytes);
        }
        start
    }

    /// A new block, all of it idle. Blocks without a buffer are freed first if there would be more memory than ever was
    /// used at one time, plus an eighth.
    fn grow(&mut self, bytes: usize) -> (NonNull<u8>, usize) {
        let limit = self.most_used_bytes + self.most_used_bytes / 8;
        while self.blocks.values().map(|block| block.bytes).sum::<usize>() + bytes > limit {
            let unused =
                self.blocks.values().filter(|block| self.idle.get(&block.start) == Some(&block.bytes));
            let Some(start) = unused.max_by_key(|block| block.bytes).map(|block| block.start) else { break };
            self.idle.remove(&start);
            self.blocks.remove(&start);
        }
        let block = Block::allocate(bytes.max(HUGE));
        let whole = (block.start, block.bytes);
        self.idle.insert(whole.0, whole.1);
        self.blocks.insert(whole.0, block);
        whole
    }

    /// Returns a part, and joins it with its neighbours.
    fn give(&mut self, mut start: NonNull<u8>, mut bytes: usize) {
        self.used_bytes -= bytes;
        // SAFETY: the end of the part.
        let end = unsafe { start.add(bytes) };
        if !self.blocks.contains_key(&end) {
            bytes += self.idle.remove(&end).unwrap_or(0);
        }
        // SAFETY: the end of an idle part.
        let before = self
            .idle
            .range(..start)
            .next_back()
            .filter(|&(&before, &size)| unsafe { before.add(size) } == start);
        if let (Some((&before, &size)), false) = (before, self.blocks.contains_key(&start)) {
            (start, bytes) = (before, bytes + size);
        }
        self.idle.insert(start, bytes);
    }
}

/// Runs `work` with thread-local scratch memory: `len` floats with unspecified contents, aligned to a cache
/// line.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
    }
    let bytes = (len * size_of::<f32>()).max(1).next_multiple_of(GRANULE);
    // Removed from the list while in use: a nested call on the same thread (rayon may run another task
    // inside) gets its own.
    let block = SCRATCH
        .with_borrow_mut(Vec::pop)
        .filter(|block| block.bytes >= bytes)
        .unwrap_or_else(|| Block::allocate(bytes));
    // SAFETY: the block is aligned, initialised, at least `len` floats long and owned by this call.
    let floats = unsafe { std::slice::from_raw_parts_mut(block.start.as_ptr().cast(), len) };
    if cfg!(test) {
        floats.fill(f32::NAN);
    }
    let result = work(floats);
    SCRATCH.with_borrow_mut(|kept| kept.push(block));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensor_over_a_buffer_has_its_values_and_can_be_written() {
        let mut buffer = Buffer::uninitialised(6);
        buffer.copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let tensor = buffer.into_tensor([2, 3]);
        let mut copy = tensor.clone();
        copy.storage_mut::<f32>()[0] = 9.0;
        assert_eq!(tensor.storage::<f32>(), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(copy.storage::<f32>()[..2], [9.0, 2.0]);
    }

    #[test]
    fn buffers_of_other_sizes_share_a_block() {
        let mut parts = Parts::default();
        let whole = parts.take(HUGE);
        parts.give(whole, HUGE);
        let halves = [parts.take(HUGE / 2), parts.take(HUGE / 2)];
        assert_eq!(parts.blocks.len(), 1);
        let third = parts.take(GRANULE);
        assert_eq!(parts.blocks.len(), 2);
        halves.into_iter().for_each(|half| parts.give(half, HUGE / 2));
        assert_eq!(parts.take(HUGE), whole);
        parts.give(whole, HUGE);
        parts.give(third, GRANULE);
        assert_eq!(parts.idle.values().sum::<usize>(), 2 * HUGE);
        assert_eq!(parts.used_bytes, 0);
    }

    #[test]
    fn waiting_blocks_are_bounded_by_what_was_used_at_one_time() {
        let mut parts = Parts::default();
        let small = [(); 4].map(|()| parts.take(HUGE));
        small.into_iter().for_each(|small| parts.give(small, HUGE));
        let large = parts.take(4 * HUGE);
        assert_eq!(parts.blocks.len(), 1);
        parts.give(large, 4 * HUGE);
        assert_eq!(parts.blocks.values().map(|block| block.bytes).sum::<usize>(), 4 * HUGE);
    }

    #[test]
    fn scratch_may_be_nested() {
        with_scratch(8, |outer| {
            outer.fill(1.0);
            with_scratch(8, |inner| inner.fill(2.0));
            assert!(outer.iter().all(|&value| value == 1.0));
        });
    }
}
