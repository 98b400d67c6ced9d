# How programs built with LOCKFLIGHT_SANITIZE=thread are started. ThreadSanitizer before GCC 14 dies with "unexpected
# memory mapping" where the kernel randomises 32 bits of addresses (Ubuntu 24.04 does), so randomisation is switched off
# for the tests, if this system lets us: some containers do not.
if(LOCKFLIGHT_SANITIZE STREQUAL "thread" AND NOT DEFINED CMAKE_CROSSCOMPILING_EMULATOR)
  find_program(LOCKFLIGHT_SETARCH setarch)
  mark_as_advanced(LOCKFLIGHT_SETARCH)
  if(LOCKFLIGHT_SETARCH)
    execute_process(COMMAND ${LOCKFLIGHT_SETARCH} -R true RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(status EQUAL 0)
      set(CMAKE_CROSSCOMPILING_EMULATOR ${LOCKFLIGHT_SETARCH} -R)
    endif()
  endif()
endif()
