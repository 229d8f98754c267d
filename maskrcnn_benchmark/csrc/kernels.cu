// Every CUDA kernel in one unit: once an architecture, ATen's headers take longer to compile than all kernels together.
#include "assignment_cuda.cuh"
#include "boxes_cuda.cuh"
#include "nms_cuda.cuh"
#include "roi_align_cuda.cuh"
#include "roi_pool_cuda.cuh"

#if defined(__CUDA_ARCH_LIST__)  // nvcc's list, such as 750,800
std::vector<int64_t> sgg::cuda::architectures() {
  std::vector<int64_t> found{__CUDA_ARCH_LIST__};
  for (int64_t& architecture : found) {
    architecture /= 10;
  }
  return found;
}
#endif
