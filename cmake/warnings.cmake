# What every target of the project is compiled with; nothing of it reaches a program that links lockflight.
function(lockflight_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers
                                           -Wnon-virtual-dtor -Woverloaded-virtual
                                           $<$<BOOL:${LOCKFLIGHT_WERROR}>:-Werror>)
  if(LOCKFLIGHT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${LOCKFLIGHT_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${LOCKFLIGHT_SANITIZE})
  endif()
endfunction()
