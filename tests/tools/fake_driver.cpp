// An NVIDIA driver that fails to start with the code in LOCKFLIGHT_FAKE_DRIVER: what the CUDA
// runtime needs to find out.

#include <cstdlib>
#include <cstring>

extern "C" {

int cuInit(unsigned /*flags*/) {
  const char* code = std::getenv("LOCKFLIGHT_FAKE_DRIVER");
  return code == nullptr ? 100 : std::atoi(code);
}

int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}

int cuGetProcAddress_v2(const char* name, void** function, int /*version*/,
                        unsigned long long /*flags*/, int* found) {
  if (std::strcmp(name, "cuDriverGetVersion") == 0) {
    *function = reinterpret_cast<void*>(&cuDriverGetVersion);
  } else if (std::strncmp(name, "cuGetProcAddress", 16) == 0) {
    *function = reinterpret_cast<void*>(&cuGetProcAddress_v2);
  } else {
    *function = reinterpret_cast<void*>(&cuInit);
  }
  if (found != nullptr) {
    *found = 0;
  }
  return 0;
}

}  // extern "C"
