process.stdout.write('barewire\n');
