/* Makes the system calls that its words ask for and prints what the kernel answers, one number a line.
 *
 *   calls [int80] NUMBER [ARGUMENT...] [-- [int80] NUMBER ...]
 *
 * Numbers are hexadecimal with 0x, or decimal; `@TEXT` is the address of TEXT. `int80` makes the call by the gate of 32-bit programs, with the registers
 * of 64 bits that are given. Without a C library: it is built for x86_64 and for i386 on machines that have no 32-bit
 * one, and makes no call but the wanted ones, write and exit.
 */

typedef unsigned long word;

static long gate(word number, const word *a)
{
	long result;
	/* The sixth argument is in a register that compilers keep for themselves: none of our calls has one. */
	__asm__ volatile("int $0x80" : "=a"(result)
			 : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "memory"
#ifdef __x86_64__
			   , "r8", "r9", "r10", "r11"
#endif
	);
	return (int)result;
}

static long call(word number, const word *a)
{
#ifdef __x86_64__
	long result;
	register word r10 __asm__("r10") = a[3];
	register word r8 __asm__("r8") = a[4];
	register word r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall" : "=a"(result)
			 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#else
	return gate(number, a);
#endif
}

#ifdef __x86_64__
enum { WRITE = 1, EXIT = 231 };
#else
enum { WRITE = 4, EXIT = 252 };
#endif

__attribute__((noreturn)) static void leave(int code)
{
	word a[6] = { (word)code };
	call(EXIT, a);
	__builtin_unreachable();
}

static void say(long value)
{
	char text[24];
	int at = sizeof text;
	word rest = value < 0 ? -(word)value : (word)value;
	text[--at] = '\n';
	do
		text[--at] = '0' + rest % 10;
	while (rest /= 10);
	if (value < 0)
		text[--at] = '-';
	word a[6] = { 1, (word)(text + at), sizeof text - at };
	if (call(WRITE, a) < 0)
		leave(3);
}

static word number(const char *text)
{
	word base = 10, value = 0;
	if (text[0] == '@')
		return (word)(text + 1);
	if (text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	for (; *text; text++)
		value = value * base + (*text <= '9' ? *text - '0' : *text - 'a' + 10);
	return value;
}

static int is(const char *text, const char *wanted)
{
	while (*text && *text == *wanted)
		text++, wanted++;
	return *text == *wanted;
}

__attribute__((used, noreturn)) static void start(word *stack)
{
	char **words = (char **)(stack + 2);
	while (*words) {
		int by_gate = is(*words, "int80");
		words += by_gate;
		if (!*words)
			leave(2);
		word wanted = number(*words++);
		word a[6] = { 0 };
		for (int index = 0; *words && !is(*words, "--"); words++)
			if (index < 6)
				a[index++] = number(*words);
		say(by_gate ? gate(wanted, a) : call(wanted, a));
		words += *words != 0;
	}
	leave(0);
}

#ifdef __x86_64__
__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
#else
__asm__(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n sub $12, %esp\n push %eax\n call start\n");
#endif
