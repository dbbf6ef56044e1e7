# The built-in kernels: the same sources compiled for several CPUs; kernels.cpp chooses at run time.
set(pyffipar_kernels cpp/kernels/kernels.cpp cpp/kernels/kernels_baseline.cpp)
if(NOT MSVC AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
    list(APPEND pyffipar_kernels cpp/kernels/kernels_avx2.cpp cpp/kernels/kernels_avx512.cpp)
    set_source_files_properties(cpp/kernels/kernels_avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
    set_source_files_properties(
        cpp/kernels/kernels_avx512.cpp PROPERTIES COMPILE_OPTIONS "-mfma;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl")
    target_compile_definitions(pyffipar_objects PRIVATE PYFFIPAR_X86_LEVELS)
endif()
target_sources(pyffipar_objects PRIVATE ${pyffipar_kernels})
