# Every file in stress/ but main.c is one scenario, named after the file:
# `stress --seconds N NAME`. Each is a test twice: for 1 or 2 s, and as long/NAME for 60 s.
# A mix has more choices and runs for 5 s; a small scenario has few and runs for 1 and 20 s.
# The virtual build runs for simulated time from one seed: the same run every time.
set(scenario_sources ${stress_sources})
list(FILTER scenario_sources EXCLUDE REGEX /stress/main\\.c$)

# The scenarios and their stage for each engine. bench/tools/explore links the virtual ones as well.
foreach(library tdpsim tdpsim-virtual)
    set(scenarios tdpsim-stress${suffix_${library}})
    add_library(${scenarios} STATIC ${scenario_sources} ${stage_sources})
    target_link_libraries(${scenarios} PUBLIC tdpsim-test-support${suffix_${library}})
    add_executable(stress${suffix_${library}} stress/main.c)
    target_link_libraries(stress${suffix_${library}} PRIVATE ${scenarios})
endforeach()
set_target_properties(stress-virtual PROPERTIES OUTPUT_NAME stress
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/virtual)

# An instrumented build is ten times slower, and more runs find little more.
set(virtual_milliseconds 12)
if(TDPSIM_SANITIZE OR TDPSIM_COVERAGE)
    set(virtual_milliseconds 3)
endif()

# Races show in release and under ThreadSanitizer. The other sanitizers check memory and
# arithmetic, for which a second suffices.
set(usual_seconds 2)
if(TDPSIM_SANITIZE AND NOT TDPSIM_SANITIZE MATCHES thread)
    set(usual_seconds 1)
endif()

foreach(source ${scenario_sources})
    cmake_path(GET source STEM scenario)
    set(seconds ${usual_seconds})
    set(long_seconds 60)
    set(milliseconds ${virtual_milliseconds})
    if(scenario MATCHES mix$)
        set(seconds 5)
    elseif(scenario MATCHES ^small_)
        set(seconds 1)
        set(long_seconds 20)
    elseif(scenario MATCHES ^many_)
        set(milliseconds 1) # 64 vCPUs do much in it
    endif()
    tdpsim_test(stress/${scenario} "fast;stress" 180
        stress --seconds ${seconds} ${scenario})
    tdpsim_test(long/${scenario} long 900 stress --seconds ${long_seconds} ${scenario})
    # The virtual engine runs on one thread: ThreadSanitizer could find no race there.
    if(NOT TDPSIM_SANITIZE MATCHES thread)
        tdpsim_test(virtual/stress/${scenario} "fast;stress" 180
            stress-virtual --milliseconds ${milliseconds} --seed 1 ${scenario})
    endif()
    set_tests_properties(stress/${scenario} long/${scenario} PROPERTIES PROCESSORS 2)
    list(APPEND tdpsim_long_tests long/${scenario})
endforeach()
