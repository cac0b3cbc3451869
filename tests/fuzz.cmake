# Each fuzz/fuzz_X.c is a target X. Under the preset fuzz it is a libFuzzer program that
# explores without end, and as a test does so for a few seconds, beginning with its
# corpus (fuzz/corpus/X). Elsewhere the same source is a test that runs the corpus:
# what was found once is not to come back.
file(GLOB fuzz_sources CONFIGURE_DEPENDS fuzz/fuzz_*.c)
file(GLOB replay_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/tools/replay/*.c)
list(FILTER replay_sources EXCLUDE REGEX "/(main|report)\\.c$")

# What the targets `parse`, `replay` and `tracedat` feed.
add_library(tdpsim-fuzz-replay STATIC ${replay_sources})
target_include_directories(tdpsim-fuzz-replay PUBLIC ${PROJECT_SOURCE_DIR}/bench)
target_compile_definitions(tdpsim-fuzz-replay PUBLIC _GNU_SOURCE)
target_link_libraries(tdpsim-fuzz-replay PUBLIC tdpsim-internal tdpsim-trace)

foreach(source ${fuzz_sources})
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "^fuzz_" "" name ${name})
    set(seeds ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    add_executable(fuzz_${name} ${source})
    target_include_directories(fuzz_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(fuzz_${name} PRIVATE _GNU_SOURCE)
    if(name MATCHES "^(parse|replay|tracedat)$")
        target_link_libraries(fuzz_${name} PRIVATE tdpsim-fuzz-replay)
    else()
        target_link_libraries(fuzz_${name} PRIVATE tdpsim-internal)
    endif()
    if(TDPSIM_FUZZ)
        set(corpus ${CMAKE_CURRENT_BINARY_DIR}/corpus/${name})
        file(MAKE_DIRECTORY ${corpus})
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        tdpsim_test(fuzz/${name} fuzz 60 fuzz_${name} -max_total_time=5 ${corpus} ${seeds})
    else()
        target_sources(fuzz_${name} PRIVATE fuzz/support/main.c)
        tdpsim_test(fuzz/${name} "fast;fuzz" 120 fuzz_${name} ${seeds})
    endif()
endforeach()
